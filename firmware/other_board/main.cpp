// Another board: the same src/ser on any Cortex-M that runs bare, with a recording as its microphone.
//
// It stands for a port to a board of your own, without its drivers: microphone.wav (16 kHz, mono,
// int16) is heard in real time, line.out is what a host would read. Time is counted in samples.
#include <cstdint>
#include <cstring>

#include "../emulate/semihosting.h"
#include "../ser/device.h"

namespace {

constexpr std::size_t kBuffer = 256;  // samples that the microphone brings at once
constexpr std::uint32_t kBufferUs = 16000;

std::uint32_t now_us = 0;
std::uint32_t Microseconds() { return now_us; }

ser::Device device(Microseconds, {"another board", "power", 0, nullptr});

// Leaves the file where its samples begin; false if it is no such recording.
bool FindSamples(int file) {
  std::uint8_t head[12];
  if (emulate::Read(file, head, sizeof(head)) != sizeof(head)) return false;
  if (std::memcmp(head, "RIFF", 4) != 0 || std::memcmp(head + 8, "WAVE", 4) != 0) return false;
  bool known = false;
  std::uint8_t chunk[8];
  while (emulate::Read(file, chunk, sizeof(chunk)) == sizeof(chunk)) {
    const std::uint32_t size = ser::ReadU32(chunk + 4);
    if (std::memcmp(chunk, "data", 4) == 0) return known;
    std::uint8_t body[64];
    if (size > sizeof(body) || emulate::Read(file, body, size) != size) return false;
    if (std::memcmp(chunk, "fmt ", 4) == 0) {
      known = ser::ReadU16(body) == 1 && ser::ReadU16(body + 2) == 1 &&
              ser::ReadU32(body + 4) == 16000 && ser::ReadU16(body + 14) == 16;
    }
  }
  return false;
}

bool Send(int out) {
  std::uint8_t bytes[256];
  for (std::size_t n; (n = device.TakeBytes(bytes, sizeof(bytes))) > 0;) {
    if (!emulate::Write(out, bytes, n)) return false;
  }
  return true;
}

}  // namespace

int main() {
  const int in = emulate::Open("microphone.wav", emulate::kReadBinary);
  const int out = emulate::Open("line.out", emulate::kWriteBinary);
  if (in < 0 || out < 0 || !FindSamples(in)) return 1;
  if (device.Begin() != ser::Status::kOk) return 2;
  std::int16_t samples[kBuffer];
  while (emulate::Read(in, samples, sizeof(samples)) == sizeof(samples)) {
    device.OnMicrophone(samples, kBuffer);
    now_us += kBufferUs;
    while (device.Poll()) {
    }
    if (!Send(out)) return 1;
  }
  return 0;
}
