#include "dense.h"

#include <cstdint>

// The core compiles for size; here time counts.
#ifndef __clang__
#pragma GCC optimize("O3")
#endif

#include "../lstm/products.h"
#include "../lstm/scaling.h"

namespace ser {
namespace {

using lstm::Sums;
using model::DenseLayer;

constexpr std::int32_t Clamp(std::int32_t value, std::int32_t least, std::int32_t most) {
  return value < least ? least : value > most ? most : value;
}

void RunDense(const DenseLayer& layer, const std::int16_t* input, std::int16_t* output) {
  const std::int16_t* weights = layer.weights;
  const lstm::Scaling scaling = ScalingOf(layer.scaling);
  for (int row = 0; row < layer.outputs; row += 4) {
    const Sums sums = lstm::MultiplyPacked(layer.bias + row, weights, input, layer.inputs);
    for (int i = 0; i < 4; ++i) {
      const std::int32_t value = lstm::Scale(sums.row[i], scaling);
      output[row + i] = static_cast<std::int16_t>(
          Clamp(value + layer.zero_point, layer.smallest, layer.largest));
    }
  }
}

// 2 * a * b / 2^32, rounded, of numbers that use all 32 bits.
inline std::int32_t WideProduct(std::int32_t a, std::int32_t b) {
  const std::int64_t product = static_cast<std::int64_t>(a) * b;
  return static_cast<std::int32_t>((product + (std::int64_t{1} << 30)) >> 31);
}

// value / 2^bits, rounded, of a value that is not negative.
inline std::int32_t RoundedShift(std::int32_t value, int bits) {
  return (value >> bits) + ((value >> (bits - 1)) & 1);
}

// 1 / (1 + x) for x from 0 to 1, both with 2^31 for 1: three steps of Newton's method.
std::int32_t ReciprocalOfOnePlus(std::int32_t x) {
  const std::int32_t half = (x >> 1) + (1 << 30);  // of 1 + x
  // With 2^29 for 1: 48/17 - 32/17 * half is the best line to begin with.
  constexpr std::int32_t kOne = 1 << 29;
  std::int32_t guess = 1515870810 + WideProduct(half, -1010580540);
  for (int i = 0; i < 3; ++i) {
    const std::int32_t error = kOne - WideProduct(half, guess);
    guess += WideProduct(guess, error) * 4;
  }
  return guess > (1 << 30) - 1 ? 0x7fffffff : guess * 2;
}

void Softmax(const std::int16_t* logits, std::int8_t* output) {
  std::int32_t largest = logits[0];
  for (int i = 1; i < model::kDirectClassCount; ++i) {
    if (logits[i] > largest) largest = logits[i];
  }
  std::int32_t sum = 0;  // 2^19 for 1
  for (int i = 0; i < model::kDirectClassCount; ++i) {
    sum += RoundedShift(model::kDirectExp[largest - logits[i]], 12);
  }
  // The largest logit alone makes it 2^19: a bit is set.
  const int zeros = __builtin_clz(static_cast<std::uint32_t>(sum));
  const std::uint32_t fraction = (static_cast<std::uint32_t>(sum) << zeros) - 0x80000000u;
  const std::int32_t scale = ReciprocalOfOnePlus(static_cast<std::int32_t>(fraction));
  const int shift = 12 - zeros + 31 - 8;
  for (int i = 0; i < model::kDirectClassCount; ++i) {
    const std::int32_t value = WideProduct(scale, model::kDirectExp[largest - logits[i]]);
    const std::int32_t share = RoundedShift(value, shift) - 128;
    output[i] = static_cast<std::int8_t>(lstm::Saturate8(share));
  }
}

}  // namespace

void Classify(const std::int16_t* state, std::int8_t* output) {
  alignas(4) std::int16_t work[2][model::kDirectWidth];
  int to = 0;
  for (const DenseLayer& layer : model::kDirectDenses) {
    RunDense(layer, state, work[to]);
    state = work[to];
    to = 1 - to;
  }
  Softmax(state, output);
}

}  // namespace ser
