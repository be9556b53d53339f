#include "options.h"

#if SER_CORE_PDM

#include <Arduino.h>
#include <PDM.h>

#include "../model/feature_settings.h"
#include "pdm.h"
#include "system.h"

namespace board {
namespace {

constexpr int kBufferSamples = 256;  // the driver's own default, 512 bytes

ser::Device* device = nullptr;
volatile std::uint32_t came = 0;

// From the interrupt. The driver switches the microphone off for good when a buffer was not read
// before the next one comes, so all of it is taken here.
void OnReceive() {
  static std::int16_t samples[kBufferSamples];
  int bytes;
  while ((bytes = PDM.read(samples, sizeof(samples))) > 0) {
    device->OnMicrophone(samples, static_cast<std::size_t>(bytes) / sizeof(samples[0]));
  }
  came = came + 1;
  SoundCame();
}

}  // namespace

bool BeginPdm(ser::Device* of, float gain_db) {
  device = of;
  PDM.onReceive(OnReceive);
  PDM.setGain(static_cast<int>(2.0f * (gain_db + 20.0f) + 0.5f));
  return PDM.begin(1, ser::model::kSampleRate) != 0;
}

void EndPdm() { PDM.end(); }

std::uint32_t PdmBuffersThatCame() { return came; }

}  // namespace board

#endif
