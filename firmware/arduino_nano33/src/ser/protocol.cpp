#include "protocol.h"

#include <cmath>
#include <cstring>

#include "crc.h"

namespace ser {

void ByteWriter::U16(std::uint16_t value) {
  const std::uint8_t bytes[] = {static_cast<std::uint8_t>(value),
                                static_cast<std::uint8_t>(value >> 8)};
  Bytes(bytes, sizeof(bytes));
}

void ByteWriter::U32(std::uint32_t value) {
  U16(static_cast<std::uint16_t>(value));
  U16(static_cast<std::uint16_t>(value >> 16));
}

void ByteWriter::F32(float value) {
  std::uint32_t bits;
  static_assert(sizeof(bits) == sizeof(value), "float must be 32 bits");
  std::memcpy(&bits, &value, sizeof(bits));
  U32(bits);
}

void ByteWriter::Floats(const float* values, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) F32(values[i]);
}

void ByteWriter::Samples(const std::int16_t* samples, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) U16(static_cast<std::uint16_t>(samples[i]));
}

void ByteWriter::Bytes(const void* bytes, std::size_t count) {
  if (count > capacity_ - size_) {
    good_ = false;
    return;
  }
  std::memcpy(bytes_ + size_, bytes, count);
  size_ += count;
}

FrameWriter::FrameWriter(std::uint8_t* bytes, std::size_t capacity, FrameType type,
                         std::uint16_t sequence)
    : bytes_(bytes), writer_(bytes, capacity) {
  writer_.U8(kMagic0);
  writer_.U8(kMagic1);
  writer_.U8(static_cast<std::uint8_t>(type));
  writer_.U16(sequence);
  writer_.U16(0);
}

std::size_t FrameWriter::End() {
  if (!writer_.good() || writer_.size() - kHeaderSize > kMaxPayload) return 0;
  const std::size_t length = writer_.size() - kHeaderSize;
  bytes_[5] = static_cast<std::uint8_t>(length);
  bytes_[6] = static_cast<std::uint8_t>(length >> 8);
  writer_.U32(Crc32(0, bytes_ + 2, writer_.size() - 2));
  return writer_.good() ? writer_.size() : 0;
}

void JsonLine::Put(char c) {
  if (size_ < capacity_) {
    text_[size_++] = c;
  } else {
    good_ = false;
  }
}

void JsonLine::Put(const char* text) {
  while (*text != '\0') Put(*text++);
}

void JsonLine::Key(const char* key) {
  if (size_ > 1) Put(',');
  Quoted(key);
  Put(':');
}

void JsonLine::Quoted(const char* text) {
  Put('"');
  while (*text != '\0') text = Character(text);
  Put('"');
}

const char* JsonLine::Character(const char* text) {
  const std::uint8_t first = static_cast<std::uint8_t>(*text++);
  if (first >= ' ' && first < 0x7f) {
    if (first == '"' || first == '\\') Put('\\');
    Put(static_cast<char>(first));
    return text;
  }
  int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
  std::uint32_t code = more > 0 ? first & (0x3fu >> more) : first;
  for (; more > 0 && (*text & 0xc0) == 0x80; --more) code = code << 6 | (*text++ & 0x3f);
  if (code >= 0x10000) {  // two units of UTF-16
    code -= 0x10000;
    Unit(0xd800 + (code >> 10));
    code = 0xdc00 + (code & 0x3ff);
  }
  Unit(code);
  return text;
}

void JsonLine::Unit(std::uint32_t code) {
  Put("\\u");
  for (int shift = 12; shift >= 0; shift -= 4) Put("0123456789abcdef"[code >> shift & 15]);
}

void JsonLine::Digits(std::uint32_t value, int least) {
  char digits[10];
  int count = 0;
  do {
    digits[count++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value > 0);
  for (int i = count; i < least; ++i) Put('0');
  while (count > 0) Put(digits[--count]);
}

void JsonLine::Fixed(float value, int decimals) {
  if (!(std::fabs(value) < 1e5f)) {  // NaN too
    Put("null");
    return;
  }
  std::uint32_t scale = 1;
  for (int i = 0; i < decimals; ++i) scale *= 10;
  const std::uint32_t scaled =
      static_cast<std::uint32_t>(std::fabs(value) * static_cast<float>(scale) + 0.5f);
  if (value < 0.0f && scaled > 0) Put('-');
  Digits(scaled / scale, 1);
  if (decimals > 0) {
    Put('.');
    Digits(scaled % scale, decimals);
  }
}

JsonLine& JsonLine::Text(const char* key, const char* value) {
  Key(key);
  Quoted(value);
  return *this;
}

JsonLine& JsonLine::Texts(const char* key, const char* const* values, int count) {
  Key(key);
  Put('[');
  for (int i = 0; i < count; ++i) {
    if (i > 0) Put(',');
    Quoted(values[i]);
  }
  Put(']');
  return *this;
}

JsonLine& JsonLine::Integer(const char* key, std::int32_t value) {
  Key(key);
  if (value < 0) Put('-');
  const std::uint32_t bits = static_cast<std::uint32_t>(value);
  Digits(value < 0 ? 0u - bits : bits, 1);
  return *this;
}

JsonLine& JsonLine::Natural(const char* key, std::uint32_t value) {
  Key(key);
  Digits(value, 1);
  return *this;
}

JsonLine& JsonLine::Flag(const char* key, bool value) {
  Key(key);
  Put(value ? "true" : "false");
  return *this;
}

JsonLine& JsonLine::Number(const char* key, float value, int decimals) {
  Key(key);
  Fixed(value, decimals);
  return *this;
}

JsonLine& JsonLine::Numbers(const char* key, const float* values, int count, int decimals) {
  Key(key);
  Put('[');
  for (int i = 0; i < count; ++i) {
    if (i > 0) Put(',');
    Fixed(values[i], decimals);
  }
  Put(']');
  return *this;
}

std::size_t JsonLine::End() {
  Put("}\r\n");
  return good_ ? size_ : 0;
}

void Parser::Reset() {
  state_ = State::kLine;
  size_ = 0;
}

void Parser::Push(const std::uint8_t* bytes, std::size_t count, std::uint32_t now_ms) {
  Tick(now_ms);
  for (std::size_t i = 0; i < count; ++i) Byte(bytes[i]);
  heard_ms_ = now_ms;
}

void Parser::Tick(std::uint32_t now_ms) {
  if (now_ms - heard_ms_ < kPatienceMs) return;
  // A line may be typed slowly; half a frame comes to nothing.
  if (state_ == State::kLine) return;
  if (state_ != State::kBadLine) sink_->OnGarbage();
  Reset();
}

void Parser::Byte(std::uint8_t byte) {
  switch (state_) {
    case State::kLine:
    case State::kBadLine:
      LineByte(byte);
      return;
    case State::kMagic:
      if (byte == kMagic1) {
        state_ = State::kHeader;
        size_ = 0;
        return;
      }
      sink_->OnGarbage();
      Reset();
      LineByte(byte);
      return;
    case State::kHeader:
      buffer_[size_++] = byte;
      if (size_ < kHeaderSize - 2) return;
      expected_ = size_ + ReadU16(buffer_ + 3) + kCrcSize;
      if (expected_ > kMaxFrame - 2) {
        sink_->OnGarbage();
        Reset();
      } else {
        state_ = State::kBody;
      }
      return;
    case State::kBody:
      buffer_[size_++] = byte;
      if (size_ == expected_) EndFrame();
      return;
  }
}

void Parser::LineByte(std::uint8_t byte) {
  if (byte == kMagic0) {
    if (state_ == State::kLine && size_ > 0) sink_->OnGarbage();
    state_ = State::kMagic;
    size_ = 0;
    return;
  }
  if (byte == '\n' || byte == '\r') {
    buffer_[size_] = '\0';
    const bool line = state_ == State::kLine && size_ > 0;
    Reset();
    if (line) sink_->OnLine(reinterpret_cast<const char*>(buffer_));
    return;
  }
  if (state_ == State::kBadLine) return;
  if (byte < ' ' || byte > '~' || size_ == kMaxLine) {
    sink_->OnGarbage();
    state_ = State::kBadLine;
    size_ = 0;
    return;
  }
  buffer_[size_++] = byte;
}

void Parser::EndFrame() {
  const std::size_t body = size_ - kCrcSize;
  const bool good = Crc32(0, buffer_, body) == ReadU32(buffer_ + body);
  Reset();
  if (good) {
    sink_->OnFrame(static_cast<FrameType>(buffer_[0]), ReadU16(buffer_ + 1), buffer_ + 5, body - 5);
  } else {
    sink_->OnGarbage();
  }
}

bool ReadNumber(const char* text, float* value) {
  float number = 0.0f;
  float unit = 1.0f;
  int digits = 0;
  bool point = false;
  for (; *text != '\0'; ++text) {
    if (*text == '.' && !point) {
      point = true;
    } else if (*text >= '0' && *text <= '9' && digits < 9) {
      ++digits;
      number = 10.0f * number + static_cast<float>(*text - '0');
      if (point) unit *= 10.0f;
    } else {
      return false;
    }
  }
  *value = number / unit;
  return digits > 0;
}

}  // namespace ser
