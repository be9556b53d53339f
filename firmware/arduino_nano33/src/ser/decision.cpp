#include "decision.h"

#include "../model/quantization.h"

namespace ser {
const char* ColourName(Colour colour) {
  static const char* const kNames[] = {"off",  "red",     "green", "yellow",
                                       "blue", "magenta", "cyan",  "white"};
  return kNames[static_cast<int>(colour) & 7];
}

Colour ColourOf(int label) {
  if (label < 0 || label >= model::kLabelCount) return Colour::kOff;
  return static_cast<Colour>(model::kLabelColours[label] & 7);
}

const char* LabelName(int label) {
  return label < 0 || label >= model::kLabelCount ? "unsure" : model::kLabels[label];
}

void Decider::Restart() {
  steps_ = 0;
  voice_frames_ = 0;
  fallen_frames_ = 0;
  loudest_db_ = kNoLevelDb;
}

void Decider::Hear(float level_db, bool voice) {
  if (level_db > loudest_db_) loudest_db_ = level_db;
  if (level_db <= loudest_db_ - settings_.fall_db) ++fallen_frames_;
  if (voice) ++voice_frames_;
}

Decision Decider::Step(const std::int8_t* output) {
  float* probabilities = recent_[steps_ % settings_.smoothing_steps];
  for (int i = 0; i < model::kLabelCount; ++i) {
    probabilities[i] =
        static_cast<float>(output[i] - model::kOutputZeroPoint) * model::kOutputScale;
  }
  ++steps_;
  return Decide();
}

Decision Decider::Last() {
  Decision decision = Decide();
  decision.last = true;
  return decision;
}

Decision Decider::Decide() const {
  const int voice_frames = fallen_frames_ < settings_.min_fallen_frames ? 0 : voice_frames_;
  Decision decision = {kUnsure, false, steps_, voice_frames, {}};
  const int count = steps_ < settings_.smoothing_steps ? steps_ : settings_.smoothing_steps;
  int best = 0;
  for (int i = 0; i < model::kLabelCount && count > 0; ++i) {
    float sum = 0.0f;
    for (int k = 0; k < count; ++k) sum += recent_[k][i];
    decision.probabilities[i] = sum / static_cast<float>(count);
    if (decision.probabilities[i] > decision.probabilities[best]) best = i;
  }
  const bool ground = count > 0 && steps_ >= settings_.min_steps &&
                      voice_frames >= settings_.min_voice_frames;
  if (ground && decision.probabilities[best] >= threshold_) decision.label = best;
  return decision;
}

void Display::Clear() { label_ = kUnsure; }

void Display::Take(const Decision& decision, std::uint32_t now_ms) {
  const int shown = label(now_ms);
  if (decision.label == kUnsure && !decision.last) return;
  if (shown != kUnsure && shown != decision.label && !decision.last) return;
  label_ = decision.label;
  since_ms_ = now_ms;
}

int Display::label(std::uint32_t now_ms) {
  if (label_ != kUnsure && now_ms - since_ms_ >= hold_ms_) label_ = kUnsure;
  return label_;
}

}  // namespace ser
