// What goes over the serial line: lines of text and binary frames, mixed.
//
// Frame, little-endian:
//   0xa5 0x5a | type u8 | sequence u16 | length u16 | payload | CRC-32 u32 of type to payload
// No byte of text is above 0x7f, so a frame's beginning is no text.
#ifndef SER_PROTOCOL_H_
#define SER_PROTOCOL_H_

#include <cstddef>
#include <cstdint>

namespace ser {

constexpr int kProtocolVersion = 1;
constexpr std::uint8_t kMagic0 = 0xa5;
constexpr std::uint8_t kMagic1 = 0x5a;
constexpr std::size_t kHeaderSize = 7;
constexpr std::size_t kCrcSize = 4;
constexpr std::size_t kChunk = 512;                    // most samples in a frame
constexpr std::size_t kMaxPayload = 8 + 2 * kChunk;    // bytes
constexpr std::size_t kMaxFrame = kHeaderSize + kMaxPayload + kCrcSize;
constexpr std::size_t kMaxLine = 64;                   // of a command

enum class FrameType : std::uint8_t {
  // From the host.
  kTestBegin = 0x01,  // mode u8: 0 features begin where speech does (beginning.h), 1 at the first sample
  kTestAudio = 0x02,  // int16 x n, n <= 512
  kTestEnd = 0x03,    // nothing
  // From the board.
  kAudio = 0x81,     // first sample u32, samples lost so far u32, int16 x n
  kLevel = 0x82,     // frame u32, level float32, floor float32 (dB), gate u8 (GateEvent)
  kStep = 0x83,      // frame u32, features_us u32, engine_us u32, step u16, inputs u8, classes u8,
                     // features float32 x inputs, input int8 x inputs, output int8 x classes
  kTestDone = 0x84,  // samples u32, frames u32, steps u32, onset i32, status u8
};

// Writes little-endian values one after the other; what does not fit makes it not good().
class ByteWriter {
 public:
  ByteWriter(std::uint8_t* bytes, std::size_t capacity) : bytes_(bytes), capacity_(capacity) {}

  void U8(std::uint8_t value) { Bytes(&value, 1); }
  void U16(std::uint16_t value);
  void U32(std::uint32_t value);
  void F32(float value);
  void Floats(const float* values, std::size_t count);
  void Samples(const std::int16_t* samples, std::size_t count);
  void Bytes(const void* bytes, std::size_t count);

  std::size_t size() const { return size_; }
  bool good() const { return good_; }

 private:
  std::uint8_t* bytes_;
  std::size_t capacity_;
  std::size_t size_ = 0;
  bool good_ = true;
};

// Writes a frame around its payload: begin, the payload through payload(), end.
class FrameWriter {
 public:
  FrameWriter(std::uint8_t* bytes, std::size_t capacity, FrameType type, std::uint16_t sequence);
  ByteWriter& payload() { return writer_; }
  // The frame's size, 0 if it did not fit.
  std::size_t End();

 private:
  std::uint8_t* bytes_;
  ByteWriter writer_;
};

// Writes one JSON object as a line of ASCII. Text is UTF-8; what ASCII or JSON lacks is escaped.
class JsonLine {
 public:
  JsonLine(char* text, std::size_t capacity) : text_(text), capacity_(capacity) { Put('{'); }

  JsonLine& Text(const char* key, const char* value);
  JsonLine& Texts(const char* key, const char* const* values, int count);
  JsonLine& Integer(const char* key, std::int32_t value);
  JsonLine& Natural(const char* key, std::uint32_t value);
  JsonLine& Flag(const char* key, bool value);
  JsonLine& Number(const char* key, float value, int decimals);  // null if it is no number
  JsonLine& Numbers(const char* key, const float* values, int count, int decimals);

  // The line's size with its end, 0 if it did not fit.
  std::size_t End();

 private:
  void Put(char c);
  void Put(const char* text);
  void Key(const char* key);
  void Quoted(const char* text);
  const char* Character(const char* text);  // one of UTF-8; where the next begins
  void Unit(std::uint32_t code);            // of UTF-16, as four digits
  void Digits(std::uint32_t value, int least);
  void Fixed(float value, int decimals);

  char* text_;
  std::size_t capacity_;
  std::size_t size_ = 0;
  bool good_ = true;
};

class ParserSink {
 public:
  virtual void OnLine(const char* line) = 0;  // without its end, never empty
  virtual void OnFrame(FrameType type, std::uint16_t sequence, const std::uint8_t* payload,
                       std::size_t size) = 0;
  virtual void OnGarbage() = 0;  // a broken frame or a line that is none

 protected:
  ~ParserSink() = default;
};

// Takes bytes as they come. Each byte costs the same; no sequence of bytes stops it for longer than
// one frame or, if the line falls silent in a frame, kPatienceMs.
class Parser {
 public:
  static constexpr std::uint32_t kPatienceMs = 300;

  explicit Parser(ParserSink* sink) : sink_(sink) {}

  void Push(const std::uint8_t* bytes, std::size_t count, std::uint32_t now_ms);

  // Gives up half a frame that nothing follows for kPatienceMs, and forgets a bad line. A line may be
  // typed slowly.
  void Tick(std::uint32_t now_ms);

  void Reset();

 private:
  enum class State : std::uint8_t { kLine, kBadLine, kMagic, kHeader, kBody };

  void Byte(std::uint8_t byte);
  void LineByte(std::uint8_t byte);
  void EndFrame();

  ParserSink* sink_;
  State state_ = State::kLine;
  std::uint32_t heard_ms_ = 0;
  std::size_t size_ = 0;      // bytes in buffer_
  std::size_t expected_ = 0;  // bytes of the whole frame
  alignas(4) std::uint8_t buffer_[kMaxFrame + 1];  // a frame from its type on, or a line
};

inline std::uint16_t ReadU16(const std::uint8_t* bytes) {
  return static_cast<std::uint16_t>(bytes[0] | bytes[1] << 8);
}
inline std::uint32_t ReadU32(const std::uint8_t* bytes) {
  return ReadU16(bytes) | static_cast<std::uint32_t>(ReadU16(bytes + 2)) << 16;
}

// Reads a number as "0.55"; false if the text is none or there is more than it.
bool ReadNumber(const char* text, float* value);

}  // namespace ser

#endif
