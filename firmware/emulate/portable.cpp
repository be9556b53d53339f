#include "portable.h"

namespace emulate {
namespace {

// Time stands nearly still: the host counts instructions instead.
std::uint32_t Clock() {
  static std::uint32_t now_us = 0;
  return ++now_us;
}

}  // namespace

ser::Device device(Clock, {"emulated", "power", 0, nullptr});

}  // namespace emulate
