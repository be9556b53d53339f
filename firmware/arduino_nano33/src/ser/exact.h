// To be included last, by what has to give the same bits on every computer.
//
// The core compiles for size. Here time counts; and without fused multiply-adds, which take longer on
// a Cortex-M4 than a multiply and an add, floats are rounded as in Python.
#ifndef SER_EXACT_H_
#define SER_EXACT_H_

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC optimize("O2", "fp-contract=off")
#endif

#include <cstdint>
#include <cstring>

namespace ser {

// A float over 0 is 2^exponent * m with m from sqrt(1/2) to sqrt(2); half_log is ln m / 2.
struct LogParts {
  float exponent;
  float half_log;
};

inline LogParts SplitLog(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  constexpr std::uint32_t kRootHalf = 0x3f3504f3;
  const std::int32_t exponent = static_cast<std::int32_t>(bits - kRootHalf) >> 23;
  bits -= static_cast<std::uint32_t>(exponent) << 23;
  float m;
  std::memcpy(&m, &bits, sizeof(m));
  // ln m = 2 artanh(s)
  const float s = (m - 1.0f) / (m + 1.0f);
  const float s2 = s * s;
  const float series =
      s2 * (1.0f / 3.0f + s2 * (1.0f / 5.0f + s2 * (1.0f / 7.0f + s2 * (1.0f / 9.0f))));
  return {static_cast<float>(exponent), s + s * series};
}

}  // namespace ser

#endif
