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

// The settings of the device, for features of an onset and a rate of frames.
constexpr GateSettings DeviceGate(float onset_db, int onset_frames, float frames_a_second) {
  return {
      onset_db,
      onset_frames,
      onset_db < 6.0f ? onset_db : 6.0f,              // release_db
      static_cast<int>(0.5f * frames_a_second) + 1,   // hangover_frames: a pause between words
      static_cast<int>(8.0f * frames_a_second) + 1,   // hold_frames: longer than a sentence
      3.0f / frames_a_second,                         // rise_db
  };
}

enum class GateEvent : std::uint8_t { kQuiet, kOnset, kSpeech, kEnd };

// The power of a frame in dB from its bands in dB.
float LevelDb(const float* bands, int count);

// The loudest band of a frame in dB over the mean of all.
float PeakDb(const float* bands, int count);

// In a vowel some band stands out by so much. Clatter, splashing water and hiss have power in all.
constexpr float kVoiceDb = 19.0f;

// A fresh gate's first onset is that of features.onset() in Python, if it comes within hold_frames:
// until then the floor is the quietest frame so far. Afterwards a fan that was switched on would be
// speech for ever, so the floor rises until a frame is quieter.
class SpeechGate {
 public:
  explicit SpeechGate(const GateSettings& settings) : settings_(settings) {}

  void Reset();

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
