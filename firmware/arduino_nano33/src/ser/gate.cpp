#include "gate.h"

#include <cmath>

namespace ser {

float LevelDb(const float* bands, int count) {
  constexpr float kLog2Of10Over10 = 0.332192809f;
  float power = 0.0f;
  for (int i = 0; i < count; ++i) power += std::exp2(bands[i] * kLog2Of10Over10);
  return 10.0f * std::log10(power);
}

float PeakDb(const float* bands, int count) {
  float peak = bands[0], sum = 0.0f;
  for (int i = 0; i < count; ++i) {
    if (bands[i] > peak) peak = bands[i];
    sum += bands[i];
  }
  return peak - sum / static_cast<float>(count);
}

void SpeechGate::Reset() {
  floor_age_ = -1;
  run_ = 0;
  speech_ = false;
  loud_ = false;
}

void SpeechGate::Interrupt() {
  run_ = 0;
  speech_ = false;
  loud_ = false;
}

GateEvent SpeechGate::Push(float level_db) {
  if (floor_age_ < 0 || level_db <= floor_db_) {
    floor_db_ = level_db;
    floor_age_ = 0;
  } else if (floor_age_ < settings_.hold_frames) {
    ++floor_age_;
  } else {
    floor_db_ += settings_.rise_db;
  }
  loud_ = level_db > floor_db_ + settings_.onset_db;
  if (speech_) {
    run_ = level_db > floor_db_ + settings_.release_db ? 0 : run_ + 1;
    if (run_ < settings_.hangover_frames) return GateEvent::kSpeech;
    run_ = 0;
    speech_ = false;
    return GateEvent::kEnd;
  }
  run_ = loud_ ? run_ + 1 : 0;
  if (run_ < settings_.onset_frames) return GateEvent::kQuiet;
  run_ = 0;
  speech_ = true;
  return GateEvent::kOnset;
}

}  // namespace ser
