// F0 and voicing of every frame, in the same steps and bits as ser_tinyml/features/pitch.py.
#ifndef SER_PITCH_H_
#define SER_PITCH_H_

#include "../model/feature_settings.h"

namespace ser {

struct PitchFrame {
  float octaves = 0.0f;  // log2 of F0 over the reference, of the best candidate
  float voicing = 0.0f;  // 0 to 1
};

// Follows F0 from one autocorrelation a frame, which it makes of the power spectrum.
class PitchTracker {
 public:
  // Forgets all frames.
  void Restart() { frames_ = 0; }

  // Takes kPitchBinCount powers of the next frame, from 0 Hz on. Their scale may be any power of 16.
  PitchFrame Push(const float* power);

 private:
  static constexpr int kHalf = model::kPitchBinCount / 2;
  static constexpr int kCandidates = model::kPitchCandidates;

  struct Candidate {
    float octaves;
    float height;
    float bonus;
  };

  void Fold(const float* power);
  float Height(const float* folded, int lag) const;
  void FindPeaks(float loudness, Candidate* found);
  PitchFrame Follow(float loudness, const Candidate* found);

  int frames_ = 0;  // since Restart
  float loudest_ = 0.0f;
  float sums_[kHalf];
  float differences_[kHalf];
  float height_[model::kPitchLagCount];
  float octaves_[kCandidates];  // of the frame before
  float score_[kCandidates];
};

// What the model sees of the pitch, from the frame at which its features begin.
class PitchInputs {
 public:
  static constexpr int kCount = 3;

  void Restart();

  // Log F0 held where there is no voice, voicing, log F0 over its mean so far.
  void Push(PitchFrame frame, float* values);

 private:
  float octaves_ = 0.0f;
  float above_mean_ = 0.0f;
  float total_ = 0.0f;
  float voiced_ = 0.0f;  // frames
};

// log2 of a positive, normal value.
float Log2(float value);

}  // namespace ser

#endif
