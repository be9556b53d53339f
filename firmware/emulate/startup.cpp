// What runs before main on the bare processor.
#include <cstdint>
#include <cstring>

#include "semihosting.h"

extern "C" {
extern char _data[], _data_end[], _data_load[], _bss[], _bss_end[], _stack_top[];
extern void (*_constructors[])(), (*_constructors_end[])();

int main();

[[noreturn]] void Reset() {
  volatile std::uint32_t* const coprocessors = reinterpret_cast<std::uint32_t*>(0xe000ed88);
  *coprocessors = *coprocessors | (0xfu << 20);  // the floating-point unit is off after a reset
  asm volatile("dsb\nisb");
  std::memcpy(_data, _data_load, static_cast<std::size_t>(_data_end - _data));
  std::memset(_bss, 0, static_cast<std::size_t>(_bss_end - _bss));
  for (void (**constructor)() = _constructors; constructor < _constructors_end; ++constructor) {
    (*constructor)();
  }
  emulate::Exit(main());
}

[[noreturn]] void Fault() { emulate::Exit(99); }

struct Vectors {
  void* stack;
  void (*handlers[15])();
};

__attribute__((section(".vectors"), used)) const Vectors kVectors = {
    _stack_top,
    {Reset, Fault, Fault, Fault, Fault, Fault, nullptr, nullptr, nullptr, nullptr, Fault, Fault,
     nullptr, Fault, Fault}};
}
