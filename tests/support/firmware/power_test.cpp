// A device in virtual time over samples from a pipe: what it says, and how many frames it transforms.
// Compiled with and without SER_LOW_POWER; the last line is the number of calls of the network and of
// frames that were transformed.
#include <cstdio>
#include <cstring>
#include <string>

#include "ser/device.h"

static std::uint32_t clock_us = 0;
static std::uint32_t reads = 0;  // of the clock: two a frame that is worked through, and some more
static std::uint32_t Microseconds() {
  ++reads;
  return clock_us;
}

int main() {
  static ser::Device device(Microseconds, {"power", "power", 0, nullptr});
  if (device.Begin() != ser::Status::kOk) return 1;
  std::int16_t samples[256];
  std::uint32_t polls = 0;
  reads = 0;
  while (std::fread(samples, sizeof(samples[0]), 256, stdin) == 256) {
    device.OnMicrophone(samples, 256);
    clock_us += 16000;
    ++polls;
    device.Poll();
    std::uint8_t bytes[256];
    for (std::size_t n; (n = device.TakeBytes(bytes, sizeof(bytes))) > 0;) {
      std::fwrite(bytes, 1, n, stdout);
    }
  }
  // A poll reads once, one with a chunk twice more, and each frame once or more.
  std::printf("%u %u\n", reads, polls);
  return 0;
}
