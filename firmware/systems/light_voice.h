// A clip's numbers, in the same steps as ser_tinyml/systems/parts/light_features.py.
#ifndef SER_LIGHT_VOICE_H_
#define SER_LIGHT_VOICE_H_

#include <cstdint>

#include "../model/feature_settings.h"
#include "../model/light_model.h"
#include "pitch.h"

namespace ser {

// Mean change of periods or levels, as a share of their mean.
class Changes {
 public:
  explicit Changes(float ratio) : ratio_(ratio) {}

  void Restart() { before_ = changes_ = total_ = pairs_ = count_ = 0.0f; }
  void Pause() { before_ = 0.0f; }
  void Take(float value);
  float Share() const;

 private:
  const float ratio_;  // neighbours that differ by more are not counted
  float before_ = 0.0f;
  float changes_ = 0.0f;
  float total_ = 0.0f;
  float pairs_ = 0.0f;
  float count_ = 0.0f;
};

class LightVoice {
 public:
  static constexpr int kCoefficients = 13;

  void Restart();

  // Takes the kWindowLength samples of the next frame; false: the clip is as long as it may be.
  bool Push(const std::int16_t* window);

  // Gives kLightFeatureCount numbers of the frames since Restart, of which there is one at least.
  void Finish(float* features);

 private:
  enum Value {
    kLevel,
    kCentroid,
    kSpread,
    kRolloff,
    kFlux,
    kCrossings,
    kFlatness,
    kOctaves,
    kVoicing,
    kMfcc,
    kValues = kMfcc + kCoefficients
  };
  enum Flag : std::uint8_t { kActive = 1, kVoiced = 2 };

  void Shape(float* frame);
  void Bands(float* frame);
  void Follow(const std::int16_t* window, float octaves, float voicing);
  int Next(const std::int16_t* window, int half, float period);
  float Mean(int value, int flag) const;
  float Deviation(int value, int flag, float mean) const;
  float Change(int value, int flag) const;

  int count_ = 0;
  int mark_ = -1;  // of the last period, in the frame; below 0: there is none
  PitchTracker pitch_;
  Changes jitter_{1.3f};
  Changes shimmer_{1.6f};
  float frames_[model::kLightFrameCount][kValues];
  std::uint8_t flags_[model::kLightFrameCount];
  float shape_[model::kBinCount];
  alignas(16) float signal_[model::kFftLength];
  alignas(16) float work_[model::kFftLength];
};

extern LightVoice light_voice;

// Steps of features, as the model takes them.
void LightSteps(const float* features, std::int16_t* steps);

}  // namespace ser

#endif
