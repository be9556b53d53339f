// Random bytes into the whole device: noise, text, frames, broken frames. It must answer afterwards.
//
//   fuzz_test BYTES SEED
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "ser/crc.h"
#include "ser/device.h"

using namespace ser;

namespace {

std::uint32_t clock_us = 0;
std::uint32_t Microseconds() { return clock_us += 3; }

std::uint32_t state;
std::uint32_t Random(std::uint32_t below) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state % below;
}

void Append(std::vector<std::uint8_t>* bytes, const char* text) {
  bytes->insert(bytes->end(), text, text + std::strlen(text));
}

void AppendFrame(std::vector<std::uint8_t>* bytes) {
  std::uint8_t frame[kMaxFrame];
  const std::uint8_t types[] = {1, 2, 3, 0, 0x81, static_cast<std::uint8_t>(Random(256))};
  FrameWriter writer(frame, sizeof(frame), static_cast<FrameType>(types[Random(6)]),
                     static_cast<std::uint16_t>(Random(65536)));
  const std::uint32_t sizes[] = {0, 1, 2, Random(40), Random(200), Random(kMaxPayload + 1)};
  const std::uint32_t size = sizes[Random(6)];
  for (std::uint32_t i = 0; i < size; ++i) {
    writer.payload().U8(static_cast<std::uint8_t>(Random(size == 1 ? 3 : 256)));
  }
  const std::size_t count = writer.End();
  if (Random(3) == 0 && count > 0) {
    frame[Random(static_cast<std::uint32_t>(count))] ^= static_cast<std::uint8_t>(1u << Random(8));
  }
  const std::size_t kept = Random(8) == 0 ? Random(static_cast<std::uint32_t>(count) + 1) : count;
  bytes->insert(bytes->end(), frame, frame + kept);
}

// A test whose frames of sound are about as long as the parser lets through, and longer than a chunk.
void AppendTest(std::vector<std::uint8_t>* bytes) {
  for (std::uint32_t left = 2 + Random(4); left > 0; --left) {
    std::uint8_t frame[kMaxFrame];
    FrameWriter writer(frame, sizeof(frame),
                       bytes->empty() ? FrameType::kTestBegin : FrameType::kTestAudio, 0);
    const std::size_t size = bytes->empty() ? 1 : kMaxPayload - Random(12);
    for (std::size_t i = 0; i < size; ++i) {
      writer.payload().U8(static_cast<std::uint8_t>(Random(size == 1 ? 2 : 256)));
    }
    const std::size_t count = writer.End();
    bytes->insert(bytes->end(), frame, frame + count);
  }
}

void AppendSomething(std::vector<std::uint8_t>* bytes) {
  const char* const texts[] = {"status\n",     "help\r\n",         "threshold 0.4\n", "threshold\n",
                               "threshold x\n", "stream start\n", "stream stop\n",   "\n\r\n",
                               "\xa5",          "\xa5\x5a",       "\xa5\x5a\x02",    "threshold 9\n"};
  switch (Random(5)) {
    case 0:
      Append(bytes, texts[Random(12)]);
      break;
    case 2:
      AppendTest(bytes);
      break;
    case 1:
      AppendFrame(bytes);
      break;
    default:
      for (std::uint32_t i = Random(2000); i > 0; --i) {
        bytes->push_back(static_cast<std::uint8_t>(Random(256)));
      }
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 3;
  const std::uint64_t wanted = std::strtoull(arguments[1], nullptr, 10);
  state = static_cast<std::uint32_t>(std::atoi(arguments[2])) * 2654435761u + 1;
  static Device device(Microseconds, {"fuzzed", "power", 0, nullptr});
  if (device.Begin() != Status::kOk) return 2;
  std::uint64_t sent = 0;
  std::vector<std::uint8_t> bytes;
  std::uint8_t answer[512];
  std::uint64_t answered = 0;
  while (sent < wanted) {
    bytes.clear();
    AppendSomething(&bytes);
    std::size_t at = 0;
    while (at < bytes.size()) {
      if (device.WantsBytes()) {
        const std::size_t left = bytes.size() - at;
        const std::size_t chunk = 1 + Random(Device::kMostReceived);
        // A copy of its own, so that reading beyond it is found.
        const std::vector<std::uint8_t> part(
            bytes.begin() + static_cast<std::ptrdiff_t>(at),
            bytes.begin() + static_cast<std::ptrdiff_t>(at + (chunk < left ? chunk : left)));
        device.Receive(part.data(), part.size());
        at += part.size();
        sent += part.size();
      }
      if (Random(16) == 0) {
        std::int16_t noise[64];
        for (std::int16_t& sample : noise) sample = static_cast<std::int16_t>(Random(2000));
        device.OnMicrophone(noise, 64);
      }
      device.Poll();
      device.led();
      if (Random(50) == 0) clock_us += 1000 * Random(700);
      if (Random(2000) == 0) device.Disconnected();
      if (Random(4) != 0) answered += device.TakeBytes(answer, 1 + Random(sizeof(answer)));
    }
  }
  // The host goes; silence, and it listens again.
  device.Disconnected();
  for (int i = 0; i < 2000; ++i) {
    clock_us += 10000;
    device.Poll();
    while (device.TakeBytes(answer, sizeof(answer)) > 0) {
    }
  }
  const char* const question = "status\n";
  device.Receive(reinterpret_cast<const std::uint8_t*>(question), std::strlen(question));
  std::string text;
  std::size_t taken;
  while ((taken = device.TakeBytes(answer, sizeof(answer))) > 0) {
    text.append(reinterpret_cast<const char*>(answer), taken);
  }
  std::printf("%llu %llu\n%s", static_cast<unsigned long long>(sent),
              static_cast<unsigned long long>(answered), text.c_str());
}
