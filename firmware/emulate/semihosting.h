// Files of the computer that emulates, through the processor's debug interface.
#ifndef SER_EMULATE_SEMIHOSTING_H_
#define SER_EMULATE_SEMIHOSTING_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace emulate {

inline int Call(int operation, const void* argument) {
  register int r0 asm("r0") = operation;
  register const void* r1 asm("r1") = argument;
  asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

constexpr int kReadBinary = 1;
constexpr int kWriteBinary = 5;

// A negative handle is a failure.
inline int Open(const char* name, int mode) {
  const std::uint32_t arguments[] = {reinterpret_cast<std::uint32_t>(name),
                                     static_cast<std::uint32_t>(mode),
                                     static_cast<std::uint32_t>(std::strlen(name))};
  return Call(0x01, arguments);
}

// The bytes that were read: fewer at the file's end.
inline std::size_t Read(int file, void* data, std::size_t size) {
  const std::uint32_t arguments[] = {static_cast<std::uint32_t>(file),
                                     reinterpret_cast<std::uint32_t>(data), size};
  return size - static_cast<std::size_t>(Call(0x06, arguments));
}

inline bool Write(int file, const void* data, std::size_t size) {
  const std::uint32_t arguments[] = {static_cast<std::uint32_t>(file),
                                     reinterpret_cast<std::uint32_t>(data), size};
  return Call(0x05, arguments) == 0;
}

[[noreturn]] inline void Exit(int code) {
  const std::uint32_t arguments[] = {0x20026, static_cast<std::uint32_t>(code)};
  Call(0x20, arguments);
  for (;;) {
  }
}

}  // namespace emulate

#endif
