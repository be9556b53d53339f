#include "features.h"

#include "../model/feature_tables.h"
#include "../model/quantization.h"
#include "fft.h"
#include "exact.h"

namespace ser {
namespace {

static_assert(model::kWindowLength <= model::kFftLength, "the window is longer than the transform");
constexpr int kPitchCount = model::kHasPitch ? PitchInputs::kCount : 0;
constexpr int kValueCount =  // of a frame
    model::kMfccCount * (model::kDeltaFrames > 0 ? 2 : 1) + kPitchCount;
static_assert(model::kInputCount == kValueCount * model::kStack, "tables do not fit");

// Power of a full-scale signal, and the spectrum's own factor, are powers of two: exact.
constexpr float kPowerScale = 1.0f / (32768.0f * 32768.0f * kPowerSpectrumScale);

// Samples times the window, four at a time: a branch takes as long as a product.
void Weigh(const std::int16_t* samples, float* to) {
  const float* weight = model::kWindow;
  const float* const end = weight + model::kWindowLength;
  for (; end - weight >= 4; weight += 4, samples += 4, to += 4) {
    to[0] = static_cast<float>(samples[0]) * weight[0];
    to[1] = static_cast<float>(samples[1]) * weight[1];
    to[2] = static_cast<float>(samples[2]) * weight[2];
    to[3] = static_cast<float>(samples[3]) * weight[3];
  }
  while (weight < end) *to++ = static_cast<float>(*samples++) * *weight++;
}

// Four sums at a time: the processor need not wait for the last addition.
float Dot(const float* a, const float* b, int count) {
  float sum0 = 0.0f;
  float sum1 = 0.0f;
  float sum2 = 0.0f;
  float sum3 = 0.0f;
  for (; count >= 4; count -= 4) {
    sum0 += a[0] * b[0];
    sum1 += a[1] * b[1];
    sum2 += a[2] * b[2];
    sum3 += a[3] * b[3];
    a += 4;
    b += 4;
  }
  for (; count > 0; --count) sum0 += *a++ * *b++;
  return (sum0 + sum1) + (sum2 + sum3);
}

}  // namespace

float Decibels(float value) {
  const LogParts parts = SplitLog(value);
  constexpr float kDecibelsPerTwice = 3.01029995663981195f;
  constexpr float kDecibelsPerE = 4.34294481903251828f;
  return parts.exponent * kDecibelsPerTwice + (2.0f * kDecibelsPerE) * parts.half_log;
}

std::int8_t QuantizeFeature(float feature, int input) {
  const float normal = (feature - model::kFeatureMean[input]) / model::kFeatureStd[input];
  float units = normal / model::kInputScale;
  constexpr float kFar = 512.0f;  // beyond every clip, and an int holds it
  if (units > kFar) units = kFar;
  if (!(units > -kFar)) units = -kFar;
  std::int32_t whole = static_cast<std::int32_t>(units);
  const float rest = units - static_cast<float>(whole);
  if (rest >= 0.5f) ++whole;
  if (rest <= -0.5f) --whole;
  whole += model::kInputZeroPoint;
  if (whole > 127) whole = 127;
  if (whole < -128) whole = -128;
  return static_cast<std::int8_t>(whole);
}

void FeatureExtractor::LogMel(const std::int16_t* window, float* bands) {
  Weigh(window, signal_);
  for (int i = model::kWindowLength; i < model::kFftLength; ++i) signal_[i] = 0.0f;
  PowerSpectrum(signal_, work_);
  const float* weights = model::kMelWeights;
  float all = 0.0f;
  for (int band = 0; band < model::kMelCount; ++band) {
    const int count = model::kMelBinCount[band];
    const float power = kPowerScale * Dot(weights, signal_ + model::kMelFirstBin[band], count);
    const float limited = power > model::kPowerFloor ? power : model::kPowerFloor;
    bands[band] = Decibels(limited);
    all += limited;
    weights += count;
  }
  level_db_ = Decibels(all);
}

void Cepstra::Restart() {
  fresh_ = true;
  stacked_ = 0;
  frames_ = 0;
  pitch_.Restart();
}

bool Cepstra::Push(const float* bands, PitchFrame pitch) {
  if (fresh_) loudest_ = bands[0];
  fresh_ = false;
  for (int band = 0; band < model::kMelCount; ++band) {
    if (bands[band] > loudest_) loudest_ = bands[band];
  }
  float below[model::kMelCount];
  for (int band = 0; band < model::kMelCount; ++band) {
    const float level = bands[band] - loudest_;
    below[band] = level > -model::kRangeDb ? level : -model::kRangeDb;
  }
  const int first = stacked_ * kValueCount;
  float* past = past_[frames_ % kPastFrames];
  const bool change = frames_ >= model::kDeltaFrames;
  for (int i = 0; i < model::kMfccCount; ++i) {
    float value = Dot(model::kDct[i], below, model::kMelCount);
    if (model::kWholeNumbers) value = static_cast<float>(static_cast<std::int32_t>(value));
    features_[first + i] = value;
    if (model::kDeltaFrames > 0) {
      features_[first + model::kMfccCount + i] = change ? value - past[i] : 0.0f;
      past[i] = value;
    }
  }
  if (model::kHasPitch) pitch_.Push(pitch, features_ + first + kValueCount - kPitchCount);
  for (int i = first; i < first + kValueCount; ++i) input_[i] = QuantizeFeature(features_[i], i);
  ++frames_;
  if (++stacked_ < model::kStack) return false;
  stacked_ = 0;
  return true;
}

}  // namespace ser
