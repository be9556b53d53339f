// The device's test mode and the engine alone, on the bare processor.
//
// line.in: what the host sends; line.out: what the device answers. engine.in: inputs of int8, clip
// after clip; engine.out: the output after each clip's last step.
#include <cstdint>

#include "../model/model.h"
#include "../ser/energy_gate.h"
#include "portable.h"
#include "semihosting.h"

namespace {

using ser::Device;
using ser::Status;
using ser::model::kInputCount;
using ser::model::kLabelCount;
using ser::model::kStepCount;

enum Failure { kFiles = 1, kEngine = 2 };

int Converse() {
  const int in = emulate::Open("line.in", emulate::kReadBinary);
  const int out = emulate::Open("line.out", emulate::kWriteBinary);
  if (in < 0 || out < 0) return kFiles;
  if (emulate::device.Begin() != Status::kOk) return kEngine;
  for (bool more = true, busy = false; more || busy || emulate::device.BytesWaiting() > 0;) {
    if (more && emulate::device.WantsBytes()) {
      std::uint8_t bytes[Device::kMostReceived];
      const std::size_t count = emulate::Read(in, bytes, sizeof(bytes));
      emulate::device.Receive(bytes, count);
      more = count > 0;
    }
    busy = emulate::device.Poll();
    std::uint8_t bytes[256];
    const std::size_t count = emulate::device.TakeBytes(bytes, sizeof(bytes));
    if (!emulate::Write(out, bytes, count)) return kFiles;
  }
  return 0;
}

int Infer() {
  static ser::Engine engine;
  const int in = emulate::Open("engine.in", emulate::kReadBinary);
  const int out = emulate::Open("engine.out", emulate::kWriteBinary);
  if (in < 0 || out < 0) return kFiles;
  if (engine.Begin() != Status::kOk) return kEngine;
  std::int8_t input[kInputCount];
  std::int8_t output[kLabelCount];
  for (int step = 0; emulate::Read(in, input, kInputCount) == kInputCount;) {
    if (step == 0) engine.Reset();
    if (engine.Step(input, output) != Status::kOk) return kEngine;
    step = (step + 1) % kStepCount;
    if (step == 0 && !emulate::Write(out, output, kLabelCount)) return kFiles;
  }
  return 0;
}

}  // namespace

// What a build that saves power does while nobody speaks, to be counted.
int Doze() {
  static ser::EnergyGate gate(32);
  std::int16_t samples[ser::EnergyGate::kMost];
  std::uint32_t noise = 1;
  bool awake = true;
  for (int block = 0; block < 100; ++block) {
    for (std::int16_t& sample : samples) {
      noise = noise * 1664525u + 1013904223u;
      sample = static_cast<std::int16_t>((noise >> 16) % 9);
    }
    awake = gate.Push(samples, ser::EnergyGate::kMost);
  }
  return awake ? kEngine : 0;
}

int main() {
  int failure = Doze();
  if (failure == 0) failure = Converse();
  return failure != 0 ? failure : Infer();
}
