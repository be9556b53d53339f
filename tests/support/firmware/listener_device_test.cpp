// Faults of the device, from outside: what it says, what the LED does, and that it recovers.
//
//   listener_device_test          a good model
//   listener_device_test wrong    a model whose files are of two exports
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "ser/device.h"

#define CHECK(condition)                                                    \
  do {                                                                      \
    if (!(condition)) {                                                     \
      std::fprintf(stderr, "line %d: expected %s\n", __LINE__, #condition); \
      std::exit(1);                                                         \
    }                                                                       \
  } while (false)

using namespace ser;

namespace {

std::uint32_t clock_us = 0xfff00000u;  // it wraps around soon
std::uint32_t Microseconds() { return clock_us; }

std::uint32_t noise = 1;
void Hear(Device* device, int milliseconds, std::uint32_t loudness) {
  for (int i = 0; i < milliseconds / 16; ++i) {
    std::int16_t samples[256];
    for (std::int16_t& sample : samples) {
      noise = noise * 1664525u + 1013904223u;
      sample = static_cast<std::int16_t>(loudness == 0 ? 0 : (noise >> 16) % loudness);
    }
    device->OnMicrophone(samples, 256);
    clock_us += 16000;
    device->Poll();
  }
}

std::string Said(Device* device) {
  std::string text;
  std::uint8_t bytes[100];
  std::size_t count;
  while ((count = device->TakeBytes(bytes, sizeof(bytes))) > 0) {
    text.append(reinterpret_cast<const char*>(bytes), count);
  }
  return text;
}

bool Has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

void Ask(Device* device, const char* line) {
  device->Receive(reinterpret_cast<const std::uint8_t*>(line), std::strlen(line));
}

void Good() {
  static Device device(Microseconds, {"board", "power", 1000, nullptr});
  CHECK(device.Begin() == Status::kOk);
  CHECK(Has(Said(&device), "\"event\":\"ready\""));
  CHECK(device.led().settling && device.led().blink_code == 0);
  Hear(&device, 1600, 4);
  CHECK(!device.led().settling && Said(&device).empty());

  Hear(&device, 160, 4000);  // somebody speaks
  CHECK(device.led().speech && Has(Said(&device), "\"state\":\"begin\""));
  Hear(&device, 1600, 4);
  CHECK(!device.led().speech && Has(Said(&device), "\"state\":\"end\""));

  // Nobody takes the sound away for a while.
  std::int16_t samples[256] = {};
  for (int i = 0; i < 20; ++i) device.OnMicrophone(samples, 256);
  Hear(&device, 16, 4);
  std::string said = Said(&device);
  CHECK(Has(said, "\"reason\":\"overrun\"") && !Has(said, "\"lost_samples\":0}"));
  CHECK(device.led().blink_code == 5);
  Hear(&device, 5200, 4);
  CHECK(device.led().blink_code == 0 && Has(Said(&device), "\"event\":\"recovered\""));

  // The microphone is dead, and comes to life again.
  Hear(&device, 1900, 0);
  CHECK(device.led().blink_code == 0);
  Hear(&device, 400, 0);
  CHECK(device.led().blink_code == 1 && Has(Said(&device), "\"reason\":\"microphone\""));
  Hear(&device, 5200, 0);
  CHECK(Has(Said(&device), "\"event\":\"fault\""));  // said again
  Hear(&device, 100, 4);
  CHECK(device.led().blink_code == 0 && Has(Said(&device), "\"event\":\"recovered\""));

  device.SetMicrophoneFault("it stopped");
  CHECK(device.led().blink_code == 1 && Has(Said(&device), "it stopped"));
  Ask(&device, "status\n");
  CHECK(Has(Said(&device), "\"fault\":\"microphone\""));
  Hear(&device, 100, 4);
  CHECK(device.led().blink_code == 0);
  Said(&device);

  // A host that falls silent in the middle of a test.
  const std::uint8_t begin[] = {0};
  std::uint8_t frame[kMaxFrame];
  FrameWriter writer(frame, sizeof(frame), FrameType::kTestBegin, 0);
  writer.payload().Bytes(begin, 1);
  device.Receive(frame, writer.End());
  for (int i = 0; i < 60; ++i) {
    clock_us += 100000;
    device.Poll();
  }
  CHECK(Has(Said(&device), "back to the microphone"));
  Hear(&device, 200, 4);
  Hear(&device, 160, 4000);
  CHECK(Has(Said(&device), "\"state\":\"begin\""));

  // A host that does not read: lines are lost, the device is not.
  for (int i = 0; i < 200; ++i) Ask(&device, "status\n");
  CHECK(!device.WantsBytes());
  Said(&device);
  CHECK(device.WantsBytes());
  Ask(&device, "status\n");
  CHECK(!Has(Said(&device), "\"lost_lines\":0,"));
}

void Wrong() {
  static Device device(Microseconds, {"board", "power", 0, nullptr});
  CHECK(device.Begin() == Status::kModelMismatch);
  CHECK(device.led().blink_code == 2);
  std::string said = Said(&device);
  CHECK(Has(said, "\"event\":\"fault\"") && Has(said, "\"reason\":\"model_mismatch\""));
  Hear(&device, 6000, 4);
  Hear(&device, 300, 4000);
  said = Said(&device);
  CHECK(Has(said, "\"event\":\"fault\""));
  CHECK(!Has(said, "speech") && !Has(said, "decision"));
  Ask(&device, "status\n");
  CHECK(Has(Said(&device), "\"fault\":\"model_mismatch\""));
}

}  // namespace

int main(int count, char**) {
  CHECK(BlinkCode(Status::kOk) == 0 && BlinkCode(Status::kMicrophone) == 1);
  CHECK(BlinkCode(Status::kModelType) == 2 && BlinkCode(Status::kArenaTooSmall) == 3);
  CHECK(BlinkCode(Status::kInferenceFailed) == 4 && BlinkCode(Status::kOverrun) == 5);
  if (count == 1) {
    Good();
  } else {
    Wrong();
  }
}
