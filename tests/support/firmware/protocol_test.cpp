// The serial protocol behind a pipe.
//
//   protocol_test parse CHUNK   bytes in; what the parser found out, a line each
//   protocol_test write         lines and frames out, as the board writes them
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "ser/crc.h"
#include "ser/protocol.h"

using namespace ser;

namespace {

class Printer final : public ParserSink {
 public:
  void OnLine(const char* line) override { std::printf("line %s\n", line); }
  void OnFrame(FrameType type, std::uint16_t sequence, const std::uint8_t* payload,
               std::size_t size) override {
    std::printf("frame %d %d ", static_cast<int>(type), sequence);
    for (std::size_t i = 0; i < size; ++i) std::printf("%02x", payload[i]);
    std::printf("\n");
  }
  void OnGarbage() override { std::printf("garbage\n"); }
};

int Parse(std::size_t chunk) {
  static Printer printer;
  static Parser parser(&printer);
  std::uint8_t bytes[64];
  std::size_t count;
  while ((count = std::fread(bytes, 1, chunk, stdin)) > 0) parser.Push(bytes, count, 1000);
  parser.Tick(1000 + Parser::kPatienceMs);
  std::printf("silence\n");
  const std::uint8_t after[] = {'o', 'k', '\n'};
  parser.Push(after, sizeof(after), 2000);
  return 0;
}

void Emit(const void* bytes, std::size_t count) {
  if (std::fwrite(bytes, 1, count, stdout) != count) std::exit(3);
}

int Write() {
  static char text[256];
  static std::uint8_t frame[kMaxFrame];
  const float numbers[] = {0.0f, 0.9996f, -1.25f, 99999.0f, 1e9f, std::nanf(""), -0.0001f};
  const char* const words[] = {"a", "b c", "say \"no\" \\", "m\303\274de \346\200\222 \360\237\230\200"};
  Emit(text, JsonLine(text, sizeof(text))
                 .Text("text", "plain")
                 .Texts("texts", words, 4)
                 .Integer("least", INT32_MIN)
                 .Natural("most", UINT32_MAX)
                 .Flag("flag", true)
                 .Number("number", 3.14159f, 2)
                 .Numbers("numbers", numbers, 7, 3)
                 .End());
  const std::size_t room[] = {1, 2, 20, 30};
  for (std::size_t size : room) {  // too small: nothing, and nothing written beyond
    if (JsonLine(text, size).Text("key", "a value that is too long").End() != 0) return 4;
  }
  FrameWriter small(frame, sizeof(frame), FrameType::kLevel, 0xfffe);
  small.payload().U32(7);
  small.payload().F32(-1.5f);
  small.payload().F32(2.5f);
  small.payload().U8(1);
  Emit(frame, small.End());
  static std::int16_t samples[kChunk];
  for (std::size_t i = 0; i < kChunk; ++i) samples[i] = static_cast<std::int16_t>(i * 128 - 32768);
  FrameWriter large(frame, sizeof(frame), FrameType::kAudio, 0xffff);
  large.payload().U32(512);
  large.payload().U32(0);
  large.payload().Samples(samples, kChunk);
  Emit(frame, large.End());
  FrameWriter none(frame, sizeof(frame), FrameType::kAudio, 0);
  none.payload().U32(0);
  none.payload().U32(0);
  none.payload().Samples(samples, kChunk);
  none.payload().U8(0);  // one byte too many
  if (none.End() != 0) return 5;
  const std::uint8_t digits[] = {'1', '2', '3', '4', '5', '6', '7', '8', '9'};
  if (Crc32(0, digits, 9) != 0xcbf43926u) return 6;
  if (Crc32(Crc32(0, digits, 4), digits + 4, 5) != 0xcbf43926u) return 7;
  return 0;
}

int Numbers() {
  const char* const good[] = {"0", "0.5", "1.", ".25", "1.000"};
  const char* const bad[] = {"", ".", "-1", "1e3", "nan", "0.5 ", "1.2.3", "1234567890"};
  float value;
  for (const char* text : good) {
    if (!ReadNumber(text, &value)) return 8;
    if (std::fabs(value - std::atof(text)) > 1e-6) return 9;
  }
  for (const char* text : bad) {
    if (ReadNumber(text, &value)) return 10;
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 3) return Parse(static_cast<std::size_t>(std::atoi(arguments[2])));
  const int numbers = Numbers();
  return numbers != 0 ? numbers : Write();
}
