// From the answers of single steps to what is said and shown.
#ifndef SER_DECISION_H_
#define SER_DECISION_H_

#include <cstdint>

#include "../model/labels.h"

namespace ser {

constexpr int kUnsure = -1;

// Red, green and blue of the LED, a bit each.
enum class Colour : std::uint8_t {
  kOff = 0,
  kRed = 1,
  kGreen = 2,
  kYellow = 3,
  kBlue = 4,
  kMagenta = 5,
  kCyan = 6,
  kWhite = 7,
};
const char* ColourName(Colour colour);

// Off for kUnsure; of a label the one that src/model/labels.h gives.
Colour ColourOf(int label);

// The label's name, or "unsure".
const char* LabelName(int label);

struct Decision {
  int label;                                // or kUnsure
  bool last;                                // of its window: nothing follows that would change it
  int steps;                                // of the model, that it rests on
  int voice_frames;                         // of a voice; 0 while the level is steady
  float probabilities[model::kLabelCount];  // smoothed
};

struct DeciderSettings {
  int smoothing_steps;    // the mean of so many steps counts; at most kMostSmoothing
  int min_steps;          // fewer are no ground for a label
  int min_voice_frames;   // nor are fewer of these
  float fall_db;          // a frame has fallen if it is so far below the loudest of its window
  int min_fallen_frames;  // fewer: the level is steady, as that of a fan is and of no voice
};

class Decider {
 public:
  static constexpr int kMostSmoothing = 8;

  explicit Decider(const DeciderSettings& settings) : settings_(settings) {}

  // Labels less probable than this are unsure.
  void SetThreshold(float threshold) { threshold_ = threshold; }
  float threshold() const { return threshold_; }

  void Restart();

  // Takes the next frame's level, and whether it sounds like a voice.
  void Hear(float level_db, bool voice);

  // Takes the model's int8 output of a step.
  Decision Step(const std::int8_t* output);

  // What it comes to if nothing follows.
  Decision Last();

 private:
  static constexpr float kNoLevelDb = -1000.0f;

  Decision Decide() const;

  DeciderSettings settings_;
  float threshold_ = model::kUnsureThreshold;
  int steps_ = 0;
  int voice_frames_ = 0;
  int fallen_frames_ = 0;
  float loudest_db_ = kNoLevelDb;
  float recent_[kMostSmoothing][model::kLabelCount] = {};
};

// What the LED shows. A label stays for the hold time, so that it can be seen, then it goes.
class Display {
 public:
  explicit Display(std::uint32_t hold_ms) : hold_ms_(hold_ms) {}

  void Clear();
  void Take(const Decision& decision, std::uint32_t now_ms);

  // The label to show now, or kUnsure.
  int label(std::uint32_t now_ms);

 private:
  std::uint32_t hold_ms_;
  int label_ = kUnsure;
  std::uint32_t since_ms_ = 0;
};

}  // namespace ser

#endif
