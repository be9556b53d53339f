// Fixed-point factors as TFLite Micro applies them, to the bit.
#ifndef LSTM_SCALING_H_
#define LSTM_SCALING_H_

#include <cstdint>

// What is called some hundred times a step is shorter than its call.
#define LSTM_INLINE inline __attribute__((always_inline))

namespace lstm {

// A real factor: value * 2^doublings * multiplier / 2^32, rounded with halves up, / 2^shift, rounded
// with halves away from zero. TFLite Micro rounds twice, so this does.
struct Scaling {
  std::int32_t doublings;   // at least 1: the multiplier stands for a half to one
  std::int32_t multiplier;  // 2^30 to 2^31
  std::int32_t half;        // 2^shift / 2
  std::int32_t sign;        // 0 if shift is 0: nothing is left to round then; otherwise 1
  std::int32_t shift;
};

// False if the factor is not positive, or smaller or larger than 31 bits take it.
bool MakeScaling(double factor, Scaling* scaling);

#if defined(__ARM_FEATURE_DSP) && !defined(SER_PORTABLE)

inline std::int32_t Saturate16(std::int32_t value) {
  std::int32_t result;
  asm("ssat %0, #16, %1" : "=r"(result) : "r"(value) : "cc");
  return result;
}

inline std::int32_t Saturate8(std::int32_t value) {
  std::int32_t result;
  asm("ssat %0, #8, %1" : "=r"(result) : "r"(value) : "cc");
  return result;
}

// 3 times the limited sum of two int16.
inline std::int32_t TripleSum(std::int32_t a, std::int32_t b) {
  std::int32_t sum;
  std::int32_t triple;
  asm("qadd16 %0, %1, %2" : "=r"(sum) : "r"(a), "r"(b));  // the upper halves are of no meaning
  asm("smulbb %0, %1, %2" : "=r"(triple) : "r"(sum), "r"(3));
  return triple;
}

// sum + a * b / 2^32: rounded with halves up, or down.
inline std::int32_t AddHighProduct(std::int32_t sum, std::int32_t a, std::int32_t b) {
  std::int32_t result;
  asm("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  return result;
}
inline std::int32_t AddHighProductDown(std::int32_t sum, std::int32_t a, std::int32_t b) {
  std::int32_t result;
  asm("smmla %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  return result;
}

#else

inline std::int32_t Limit(std::int32_t value, std::int32_t least, std::int32_t most) {
  return value < least ? least : value > most ? most : value;
}

inline std::int32_t Saturate16(std::int32_t value) { return Limit(value, -32768, 32767); }
inline std::int32_t Saturate8(std::int32_t value) { return Limit(value, -128, 127); }

inline std::int32_t TripleSum(std::int32_t a, std::int32_t b) { return 3 * Saturate16(a + b); }

inline std::int32_t AddHighProduct(std::int32_t sum, std::int32_t a, std::int32_t b) {
  const std::int64_t product = static_cast<std::int64_t>(a) * b;
  return sum + static_cast<std::int32_t>((product + (std::int64_t{1} << 31)) >> 32);
}
inline std::int32_t AddHighProductDown(std::int32_t sum, std::int32_t a, std::int32_t b) {
  return sum + static_cast<std::int32_t>((static_cast<std::int64_t>(a) * b) >> 32);
}

#endif

LSTM_INLINE std::int32_t Doubled(std::int32_t value, std::int32_t doublings) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(value) << doublings);
}

// 2^doublings * value must not overflow. A half that is rounded away from zero is one that is
// rounded up after 1 was taken off a negative value; where rounding makes the product of a negative
// value 0, the 1 does not count.
LSTM_INLINE std::int32_t Scale(std::int32_t value, const Scaling& by) {
  const std::int32_t half = AddHighProductDown(by.half, value, by.sign);
  return AddHighProduct(half, Doubled(value, by.doublings), by.multiplier) >> by.shift;
}

// The same by a factor below a quarter: one doubling, and a shift that is not 0.
LSTM_INLINE std::int32_t ScaleDown(std::int32_t value, const Scaling& by) {
  return AddHighProduct(by.half + (value >> 31), Doubled(value, 1), by.multiplier) >> by.shift;
}

// The same by 2^-15.
LSTM_INLINE std::int32_t ScaleBy15Bits(std::int32_t value) {
  return (((value + 1) >> 1) + (1 << 13) + (value >> 31)) >> 14;
}

}  // namespace lstm

#endif
