// Speech or not: loud against a floor of noise that follows the room.
#ifndef SER_GATE_H_
#define SER_GATE_H_

#include <cstdint>

namespace ser {

struct GateSettings {
  float onset_db;       // over the floor is loud
  int onset_frames;     // loud frames in a row begin speech
  float release_db;     // over the floor goes on being speech
  int hangover_frames;  // quiet frames in a row end speech
  int hold_frames;      // the floor stays so long where its quietest frame put it
  float rise_db;        // then it rises by this, a frame
};

enum class GateEvent : std::uint8_t { kQuiet, kOnset, kSpeech, kEnd };

// The power of a frame in dB from its bands in dB, where FeatureExtractor::level_db is not at hand.
float LevelDb(const float* bands, int count);

// The loudest band of a frame in dB over the mean of all.
float PeakDb(const float* bands, int count);

// Until hold_frames the floor is the quietest frame so far. Afterwards a fan that was switched on
// would be speech for ever, so the floor rises until a frame is quieter.
class SpeechGate {
 public:
  explicit SpeechGate(const GateSettings& settings) : settings_(settings) {}

  void Reset();

  // Sound was lost: speech is over, if there was any; the floor stays.
  void Interrupt();

  // Takes the level of the next frame. kOnset and kEnd come once each.
  GateEvent Push(float level_db);

  bool speech() const { return speech_; }
  bool loud() const { return loud_; }  // the last frame, over the floor by more than onset_db
  float floor_db() const { return floor_db_; }

 private:
  GateSettings settings_;
  float floor_db_ = 0.0f;
  int floor_age_ = -1;  // frames since a frame was the quietest; -1: no frame yet
  int run_ = 0;         // loud frames in a row, or quiet ones in speech
  bool speech_ = false;
  bool loud_ = false;
};

}  // namespace ser

#endif
