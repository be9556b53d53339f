// Power spectrum of a real signal, float32.
#ifndef SER_FFT_H_
#define SER_FFT_H_

#include "../model/feature_settings.h"

namespace ser {

// Values of |X|^2 are four times as large: a power of two costs the caller nothing.
constexpr float kPowerSpectrumScale = 4.0f;

// Takes kFftLength real samples in `signal`, and leaves kPowerSpectrumScale * |X[k]|^2 there, k from
// 0 to kFftLength / 2. `work` has kFftLength values too, of no meaning before or after.
void PowerSpectrum(float* signal, float* work);

}  // namespace ser

#endif
