#include "microphone.h"

#include <Arduino.h>
#include <PDM.h>

#include "../model/feature_settings.h"
#include "options.h"

namespace board {
namespace {

constexpr std::uint32_t kSilentMs = 500;   // its buffers come every 16 ms
constexpr std::uint32_t kAgainMs = 3000;   // between two attempts to start it
constexpr int kBufferSamples = 256;        // the driver's own default, 512 bytes

static_assert(ser::model::kSampleRate == 16000, "the driver knows 16,000 and 41,667 Hz");

ser::Device* device = nullptr;
volatile std::uint32_t buffers = 0;  // that came
std::uint32_t buffers_seen = 0;
std::uint32_t heard_ms = 0;
bool started = false;

// From the interrupt. The driver switches the microphone off for good when a buffer was not read
// before the next one comes, so all of it is taken here.
void OnReceive() {
  static std::int16_t samples[kBufferSamples];
  int bytes;
  while ((bytes = PDM.read(samples, sizeof(samples))) > 0) {
    device->OnMicrophone(samples, static_cast<std::size_t>(bytes) / sizeof(samples[0]));
  }
  buffers = buffers + 1;
}

void Start() {
  PDM.onReceive(OnReceive);
  PDM.setGain(kMicrophoneGain);
  started = PDM.begin(1, ser::model::kSampleRate) != 0;
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
  const std::uint32_t came = buffers;
  if (came != buffers_seen) {
    buffers_seen = came;
    heard_ms = now_ms;
    return;
  }
  if (now_ms - heard_ms < (started ? kSilentMs : kAgainMs)) return;
  heard_ms = now_ms;
  device->SetMicrophoneFault("the microphone stopped");
  if (started) PDM.end();
  Start();
}

}  // namespace board
