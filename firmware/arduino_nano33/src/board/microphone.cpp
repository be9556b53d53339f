#include "microphone.h"

#include <Arduino.h>

#include "../model/feature_settings.h"
#include "options.h"
#include "pdm.h"

namespace board {
namespace {

constexpr std::uint32_t kSilentMs = 500;  // its buffers come every 16 ms
constexpr std::uint32_t kAgainMs = 3000;  // between two attempts to start it

static_assert(ser::model::kSampleRate == 16000, "the clock of the microphone is set for 16 kHz");

ser::Device* device = nullptr;
std::uint32_t buffers_seen = 0;
std::uint32_t heard_ms = 0;
bool started = false;

void Start() {
  started = BeginPdm(device, kMicrophoneGainDb);
  device->MicrophoneStarted();
  if (!started) device->SetMicrophoneFault("the microphone does not start");
}

}  // namespace

void BeginMicrophone(ser::Device* of) {
  device = of;
  heard_ms = millis();
  Start();
}

void WatchMicrophone(std::uint32_t now_ms) {
  if (device == nullptr) return;
  const std::uint32_t came = PdmBuffersThatCame();
  if (came != buffers_seen) {
    buffers_seen = came;
    heard_ms = now_ms;
    return;
  }
  if (now_ms - heard_ms < (started ? kSilentMs : kAgainMs)) return;
  heard_ms = now_ms;
  device->SetMicrophoneFault("the microphone stopped");
  if (started) EndPdm();
  Start();
}

}  // namespace board
