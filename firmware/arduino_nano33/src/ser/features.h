// Samples to the model's int8 input, in the same steps and numbers as ser_tinyml/features/.
#ifndef SER_FEATURES_H_
#define SER_FEATURES_H_

#include <cstdint>

#include "../model/feature_settings.h"
#include "pitch.h"

namespace ser {

// Power in mel bands, and in all of them.
class FeatureExtractor {
 public:
  // Takes kWindowLength samples, gives kMelCount bands in dB: 10 log10 of the power, not below
  // that of kPowerFloor; full scale is 1.
  void LogMel(const std::int16_t* window, float* bands);

  // The power spectrum of the last window, kBinCount values of a scale of their own.
  const float* power() const { return signal_; }

  // The power of all bands of the last window, in dB.
  float level_db() const { return level_db_; }

 private:
  float level_db_ = 0.0f;
  alignas(16) float signal_[model::kFftLength];
  alignas(16) float work_[model::kFftLength];
};

// Bands to features: dB below the loudest band since Restart, limited in range, DCT, and its change
// over kDeltaFrames, and the pitch if the model has it; normalised and quantised, kStack frames a
// step.
class Cepstra {
 public:
  static constexpr int kPastFrames = model::kDeltaFrames > 0 ? model::kDeltaFrames : 1;

  // The features begin with the next frame.
  void Restart();

  // Takes the bands and the pitch of a frame; true when a step's input is complete.
  bool Push(const float* bands, PitchFrame pitch);

  // Of the last complete step, kInputCount values each. The next Push changes them.
  const std::int8_t* input() const { return input_; }
  const float* features() const { return features_; }  // neither normalised nor quantised

 private:
  PitchInputs pitch_;
  float loudest_ = 0.0f;
  bool fresh_ = true;
  int stacked_ = 0;  // frames that the step in the making has
  int frames_ = 0;  // since Restart
  float past_[kPastFrames][model::kMfccCount] = {};
  float features_[model::kInputCount] = {};
  std::int8_t input_[model::kInputCount] = {};
};

// 10 log10(value) of a positive, normal value; off by less than 7e-6 dB from 1e-10 to 1e10.
float Decibels(float value);

// (feature - mean) / std as the model's int8: halves rounded away from zero, clipped.
std::int8_t QuantizeFeature(float feature, int input);

}  // namespace ser

#endif
