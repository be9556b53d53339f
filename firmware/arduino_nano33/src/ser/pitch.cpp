#include "pitch.h"

#include "../model/feature_tables.h"
#include "exact.h"

namespace ser {
namespace {

using model::kPitchBinCount;
using model::kPitchFirstLag;
using model::kPitchLagCount;

constexpr int kPeriod = 2 * kPitchBinCount;  // of the cosine, in entries of its table

static_assert(kPitchBinCount % 8 == 0, "sums are made four at a time");
static_assert(kPitchFirstLag + kPitchLagCount < kPeriod, "a lag is longer than the cosine");
static_assert(kPitchBinCount == model::kTablePitchBinCount, "tables are of other features");
static_assert(kPitchLagCount == model::kTablePitchLagCount, "tables are of other features");

inline int Turn(int phase, int lag) {
  constexpr bool kPowerOfTwo = (kPeriod & (kPeriod - 1)) == 0;
  phase += lag;
  if (kPowerOfTwo) return phase & (kPeriod - 1);
  return phase < kPeriod ? phase : phase - kPeriod;
}

// An instruction of the processor; std::sqrt is a call where the core compiles for size.
inline float Root(float value) { return __builtin_sqrtf(value); }

}  // namespace

float Log2(float value) {
  const LogParts parts = SplitLog(value);
  constexpr float kTwiceOctavesPerE = 2.88539008177792681f;
  return parts.exponent + kTwiceOctavesPerE * parts.half_log;
}

PitchFrame PitchTracker::Push(const float* power) {
  Fold(power);
  float sum[4] = {};
  for (int k = 0; k < kHalf; k += 4) {
    for (int lane = 0; lane < 4; ++lane) sum[lane] += sums_[k + lane];
  }
  const float loudness = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  Candidate found[kCandidates];
  FindPeaks(loudness, found);
  const PitchFrame frame = Follow(loudness, found);
  ++frames_;
  return frame;
}

// Bins as far from the middle as each other have the same cosine, but for the sign at odd lags.
void PitchTracker::Fold(const float* power) {
  const float* taper = model::kPitchTaper;
  const auto weigh = [&](int bin) {
    const float root = Root(power[bin]);
    return root * Root(root) * taper[bin];
  };
  for (int k = 1; k < kHalf; ++k) {
    const float near = weigh(k);
    const float far = weigh(kPitchBinCount - k);
    sums_[k - 1] = near + far;
    differences_[k - 1] = near - far;
  }
  sums_[kHalf - 1] = weigh(kHalf);
  differences_[kHalf - 1] = 0.0f;
}

float PitchTracker::Height(const float* folded, int lag) const {
  float sum0 = 0.0f;
  float sum1 = 0.0f;
  float sum2 = 0.0f;
  float sum3 = 0.0f;
  int phase = 0;
  for (int k = 0; k < kHalf; k += 4) {
    phase = Turn(phase, lag);
    sum0 += folded[k] * model::kPitchCosine[phase];
    phase = Turn(phase, lag);
    sum1 += folded[k + 1] * model::kPitchCosine[phase];
    phase = Turn(phase, lag);
    sum2 += folded[k + 2] * model::kPitchCosine[phase];
    phase = Turn(phase, lag);
    sum3 += folded[k + 3] * model::kPitchCosine[phase];
  }
  return (sum0 + sum1) + (sum2 + sum3);
}

void PitchTracker::FindPeaks(float loudness, Candidate* found) {
  float best[kCandidates];
  for (int i = 0; i < kCandidates; ++i) {
    found[i] = {0.0f, 0.0f, -1.0f};
    best[i] = -1.0f;
  }
  if (!(loudness > 0.0f)) return;
  const float one_over = 1.0f / loudness;
  for (int i = 0; i < kPitchLagCount; ++i) {
    const int lag = kPitchFirstLag + i;
    height_[i] = Height(lag % 2 == 0 ? sums_ : differences_, lag) * one_over *
                 model::kPitchCorrection[i];
  }
  int place[kCandidates] = {};
  for (int i = 1; i + 1 < kPitchLagCount; ++i) {
    const float middle = height_[i];
    if (!(middle > height_[i - 1] && middle >= height_[i + 1] && middle > 0.0f)) continue;
    const float score = middle + model::kPitchBonus[i];
    int rank = kCandidates;
    while (rank > 0 && score > best[rank - 1]) --rank;
    for (int later = kCandidates - 1; later > rank; --later) {
      best[later] = best[later - 1];
      place[later] = place[later - 1];
    }
    if (rank == kCandidates) continue;
    best[rank] = score;
    place[rank] = i;
  }
  for (int rank = 0; rank < kCandidates && place[rank] > 0; ++rank) {
    const float* at = height_ + place[rank];
    const float slope = at[1] - at[-1];
    const float offset = 0.5f * slope / ((at[0] - at[-1]) + (at[0] - at[1]));
    const float top = at[0] + 0.25f * slope * offset;
    const float lag = static_cast<float>(kPitchFirstLag + place[rank]) + offset;
    found[rank] = {model::kPitchRateOctaves - Log2(lag), top < 1.0f ? top : 1.0f,
                   model::kPitchBonus[place[rank]]};
  }
}

PitchFrame PitchTracker::Follow(float loudness, const Candidate* found) {
  const float before = frames_ > 0 ? loudest_ * model::kPitchForget : 0.0f;
  loudest_ = loudness > before ? loudness : before;
  const float share =
      loudness > 0.0f ? loudness / (loudness + model::kPitchQuiet * loudest_) : 0.0f;
  float reached[kCandidates];
  if (frames_ > 0) {
    float most = score_[0];
    for (int i = 1; i < kCandidates; ++i) most = score_[i] > most ? score_[i] : most;
    for (int i = 0; i < kCandidates; ++i) reached[i] = model::kPitchMemory * (score_[i] - most);
  }
  float score[kCandidates];
  float voicing[kCandidates];
  int best = 0;
  for (int j = 0; j < kCandidates; ++j) {
    voicing[j] = found[j].height * share;
    score[j] = voicing[j] + found[j].bonus;
    if (frames_ > 0) {
      float way = 0.0f;
      for (int i = 0; i < kCandidates; ++i) {
        float jump = found[j].octaves - octaves_[i];
        if (jump < 0.0f) jump = -jump;
        if (jump > model::kPitchJumpOctaves) jump = model::kPitchJumpOctaves;
        const float from = reached[i] - model::kPitchJumpCost * jump;
        if (i == 0 || from > way) way = from;
      }
      score[j] += way;
    }
    if (score[j] > score[best]) best = j;
  }
  for (int i = 0; i < kCandidates; ++i) {
    octaves_[i] = found[i].octaves;
    score_[i] = score[i];
  }
  PitchFrame frame;
  frame.octaves = found[best].octaves;
  frame.voicing = voicing[best];
  return frame;
}

void PitchInputs::Restart() { octaves_ = above_mean_ = total_ = voiced_ = 0.0f; }

void PitchInputs::Push(PitchFrame frame, float* values) {
  if (frame.voicing >= model::kPitchVoiced) {
    total_ += frame.octaves;
    voiced_ += 1.0f;
    octaves_ = frame.octaves;
    above_mean_ = frame.octaves - total_ / voiced_;
  }
  values[0] = octaves_;
  values[1] = frame.voicing;
  values[2] = above_mean_;
}

}  // namespace ser
