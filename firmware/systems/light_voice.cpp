#include "light_voice.h"

#include <cmath>

#include "../model/feature_tables.h"
#include "fft.h"

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC optimize("O2", "fp-contract=off")
#endif

namespace ser {
namespace {

using model::kBinCount;
using model::kHopLength;
using model::kWindowLength;

constexpr float kPowerScale = 1.0f / (32768.0f * 32768.0f * kPowerSpectrumScale);
constexpr float kBinHz = static_cast<float>(model::kSampleRate) / model::kFftLength;
constexpr float kReferenceHz = 200.0f;
constexpr float kShorter = 0.8f;
constexpr float kLonger = 1.25f;
constexpr int kMostLags = 160;

float Db(float power) { return 3.01029995663981195f * Log2(power); }

float Larger(float a, float b) { return a > b ? a : b; }

float Root(float value) { return __builtin_sqrtf(value); }

}  // namespace

LightVoice light_voice;

void Changes::Take(float value) {
  const float smaller = value < before_ ? value : before_;
  const float larger = Larger(value, before_);
  if (smaller > 0.0f && larger <= ratio_ * smaller) {
    changes_ += larger - smaller;
    pairs_ += 1.0f;
  }
  total_ += value;
  count_ += 1.0f;
  before_ = value;
}

float Changes::Share() const {
  if (!(pairs_ > 0.0f && total_ > 0.0f)) return 0.0f;
  return (changes_ / pairs_) / (total_ / count_);
}

void LightVoice::Restart() {
  count_ = 0;
  mark_ = -1;
  pitch_.Restart();
  jitter_.Restart();
  shimmer_.Restart();
}

bool LightVoice::Push(const std::int16_t* window) {
  if (count_ == model::kLightFrameCount) return false;
  float* frame = frames_[count_];
  int crossed = 0;
  for (int i = 0; i < kWindowLength; ++i) {
    signal_[i] = static_cast<float>(window[i]) * model::kWindow[i];
    if (i > 0) crossed += (window[i] < 0) != (window[i - 1] < 0);
  }
  frame[kCrossings] = static_cast<float>(crossed) / (kWindowLength - 1);
  PowerSpectrum(signal_, work_);
  Shape(frame);
  Bands(frame);
  const PitchFrame pitch = pitch_.Push(signal_);
  frame[kOctaves] = pitch.octaves;
  frame[kVoicing] = pitch.voicing;
  Follow(window, pitch.octaves, pitch.voicing);
  ++count_;
  return true;
}

// Level, and what the power spectrum looks like.
void LightVoice::Shape(float* frame) {
  float total = 0.0f;
  for (int k = 0; k < kBinCount; ++k) total += signal_[k];
  const float power = total * kPowerScale;
  frame[kLevel] = Db(Larger(power / model::kLightLevelScale, 1e-10f));
  const float one_over = power > 1e-20f ? 1.0f / total : 0.0f;
  float first = 0.0f;
  float change = 0.0f;
  float sum = 0.0f;
  int below = 0;
  for (int k = 0; k < kBinCount; ++k) {
    const float share = signal_[k] * one_over;
    first += share * static_cast<float>(k);
    sum += share;
    if (sum < model::kLightRolloff) below = k + 1;
    const float root = Root(share);
    const float step = root - shape_[k];
    change += step * step;
    shape_[k] = root;
  }
  float second = 0.0f;  // about the centroid: the difference of two large sums would be rough
  for (int k = 0; k < kBinCount; ++k) {
    const float away = static_cast<float>(k) - first;
    second += signal_[k] * one_over * (away * away);
  }
  if (below > kBinCount - 1) below = kBinCount - 1;
  frame[kCentroid] = first * kBinHz;
  frame[kSpread] = Root(second) * kBinHz;
  frame[kRolloff] = static_cast<float>(below) * kBinHz;
  frame[kFlux] = count_ > 0 ? 0.5f * change : 0.0f;
}

// How flat the mel bands are, and their cepstrum.
void LightVoice::Bands(float* frame) {
  float bands[model::kMelCount];
  const float* weights = model::kMelWeights;
  float level = 0.0f;
  float power = 0.0f;
  for (int band = 0; band < model::kMelCount; ++band) {
    float sum = 0.0f;
    const float* bins = signal_ + model::kMelFirstBin[band];
    for (int i = 0; i < model::kMelBinCount[band]; ++i) sum += weights[i] * bins[i];
    weights += model::kMelBinCount[band];
    const float limited = Larger(kPowerScale * sum, model::kPowerFloor);
    bands[band] = Db(limited);
    level += bands[band];
    power += limited;
  }
  frame[kFlatness] = level / model::kMelCount - Db(power / model::kMelCount);
  for (int i = 0; i < kCoefficients; ++i) {
    float sum = 0.0f;
    for (int band = 0; band < model::kMelCount; ++band) sum += model::kDct[i][band] * bands[band];
    frame[kMfcc + i] = sum;
  }
}

// The voice's periods in a frame, each from the one before.
void LightVoice::Follow(const std::int16_t* window, float octaves, float voicing) {
  if (voicing < model::kPitchVoiced) {
    mark_ = -1;
    return;
  }
  const float period = model::kSampleRate / kReferenceHz * std::exp2(-octaves);
  const int half = static_cast<int>(period) / 2;
  if (mark_ < half) {
    const int first = kHopLength / 2;
    mark_ = first;
    int most = -1;
    for (int i = first; i < first + static_cast<int>(period); ++i) {
      const int size = window[i] < 0 ? -window[i] : window[i];
      if (size > most) {
        most = size;
        mark_ = i;
      }
    }
    jitter_.Pause();
    shimmer_.Pause();
  }
  const int longest = static_cast<int>(kLonger * period) + 1;
  while (mark_ < kWindowLength - kHopLength / 2 && mark_ + longest + 1 + half < kWindowLength) {
    mark_ += Next(window, half, period);
  }
  mark_ -= kHopLength;
}

// The lag at which the waveform looks most like itself at the mark.
int LightVoice::Next(const std::int16_t* window, int half, float period) {
  int first = static_cast<int>(kShorter * period);
  if (first < 2) first = 2;
  --first;
  int lags = static_cast<int>(kLonger * period) + 2 - first;
  if (lags > kMostLags) lags = kMostLags;
  const std::int16_t* own = window + mark_ - half;
  const std::int16_t* later = own + first;
  std::int64_t energy = 0;
  for (int i = 0; i < 2 * half; ++i) energy += static_cast<std::int32_t>(later[i]) * later[i];
  float height[kMostLags];
  float best_energy = 0.0f;
  int best = 1;
  for (int lag = 0; lag < lags; ++lag, ++later) {
    std::int64_t product = 0;
    for (int i = 0; i < 2 * half; ++i) product += static_cast<std::int32_t>(own[i]) * later[i];
    const float power = static_cast<float>(energy);
    height[lag] = static_cast<float>(product) / Root(Larger(power, 1.0f));
    if (lag == 1 || (lag > 1 && lag < lags - 1 && height[lag] > height[best])) {
      best = lag;
      best_energy = power;
    }
    energy += static_cast<std::int32_t>(later[2 * half]) * later[2 * half];
    energy -= static_cast<std::int32_t>(later[0]) * later[0];
  }
  const float bend = (height[best] - height[best - 1]) + (height[best] - height[best + 1]);
  float offset = bend > 0.0f ? 0.5f * (height[best + 1] - height[best - 1]) / bend : 0.0f;
  if (offset > 0.5f) offset = 0.5f;
  if (offset < -0.5f) offset = -0.5f;
  jitter_.Take(static_cast<float>(first + best) + offset);
  shimmer_.Take(Root(best_energy / static_cast<float>(2 * half)));
  return first + best;
}

float LightVoice::Mean(int value, int flag) const {
  float sum = 0.0f;
  int count = 0;
  for (int i = 0; i < count_; ++i) {
    if (!(flags_[i] & flag)) continue;
    sum += frames_[i][value];
    ++count;
  }
  return count > 0 ? sum / static_cast<float>(count) : 0.0f;
}

float LightVoice::Deviation(int value, int flag, float mean) const {
  float sum = 0.0f;
  int count = 0;
  for (int i = 0; i < count_; ++i) {
    if (!(flags_[i] & flag)) continue;
    const float away = frames_[i][value] - mean;
    sum += away * away;
    ++count;
  }
  return count > 0 ? Root(sum / static_cast<float>(count)) : 0.0f;
}

float LightVoice::Change(int value, int flag) const {
  float sum = 0.0f;
  int count = 0;
  for (int i = 1; i < count_; ++i) {
    if (!(flags_[i] & flags_[i - 1] & flag)) continue;
    const float change = frames_[i][value] - frames_[i - 1][value];
    sum += change < 0.0f ? -change : change;
    ++count;
  }
  return count > 0 ? sum / static_cast<float>(count) : 0.0f;
}

void LightVoice::Finish(float* features) {
  float loudest = frames_[0][kLevel];
  for (int i = 1; i < count_; ++i) loudest = Larger(loudest, frames_[i][kLevel]);
  int active = 0;
  int voiced = 0;
  float lowest = 0.0f;
  float highest = 0.0f;
  for (int i = 0; i < count_; ++i) {
    const float* frame = frames_[i];
    flags_[i] = 0;
    if (!(frame[kLevel] >= loudest - model::kLightQuietDb)) continue;
    flags_[i] = kActive;
    ++active;
    if (!(frame[kVoicing] >= model::kPitchVoiced)) continue;
    flags_[i] = kActive | kVoiced;
    if (voiced == 0 || frame[kOctaves] < lowest) lowest = frame[kOctaves];
    if (voiced == 0 || frame[kOctaves] > highest) highest = frame[kOctaves];
    ++voiced;
  }
  const auto both = [&](int value, int flag) {
    const float mean = Mean(value, flag);
    *features++ = mean;
    *features++ = Deviation(value, flag, mean);
  };
  both(kLevel, kActive);
  *features++ = loudest;
  *features++ = static_cast<float>(active) * kHopLength / model::kSampleRate;
  *features++ = static_cast<float>(voiced) / static_cast<float>(active);
  both(kOctaves, kVoiced);
  *features++ = lowest;
  *features++ = highest;
  *features++ = Change(kOctaves, kVoiced);
  *features++ = Mean(kVoicing, kActive);
  for (int i = 0; i < count_; ++i) {  // from here on it is the harmonics over the noise, in dB
    const float sure = frames_[i][kVoicing] < model::kLightMostVoiced ? frames_[i][kVoicing]
                                                                      : model::kLightMostVoiced;
    if (flags_[i] & kVoiced) frames_[i][kVoicing] = Db(sure / (1.0f - sure));
  }
  both(kVoicing, kVoiced);
  *features++ = jitter_.Share();
  *features++ = shimmer_.Share();
  both(kCentroid, kActive);
  *features++ = Mean(kSpread, kActive);
  both(kRolloff, kActive);
  both(kFlux, kActive);
  both(kCrossings, kActive);
  *features++ = Mean(kFlatness, kActive);
  for (int i = 0; i < kCoefficients; ++i) {
    const float mean = Mean(kMfcc + i, kActive);
    features[i] = mean;
    features[kCoefficients + i] = Deviation(kMfcc + i, kActive, mean);
    features[2 * kCoefficients + i] = Change(kMfcc + i, kActive);
  }
}

void LightSteps(const float* features, std::int16_t* steps) {
  for (int i = 0; i < model::kLightFeatureCount; ++i) {
    const float step = (features[i] - model::kLightLow[i]) * model::kLightInverse[i];
    if (!(step > 0.0f)) {
      steps[i] = 0;
    } else if (step >= static_cast<float>(model::kLightSteps)) {
      steps[i] = model::kLightSteps;
    } else {
      steps[i] = static_cast<std::int16_t>(std::rint(step));
    }
  }
}

}  // namespace ser
