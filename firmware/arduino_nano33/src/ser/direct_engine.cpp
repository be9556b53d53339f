#include "direct_engine.h"

#include <cstring>

#include "../model/model.h"

// The core compiles for size; here time counts.
#ifndef __clang__
#pragma GCC optimize("O3")
#endif

namespace ser {
namespace {

using model::DenseLayer;
using model::LstmLayer;
using model::Scaling;

struct Sums {
  std::int32_t row[4];
};

inline std::int32_t Clamp(std::int32_t value, std::int32_t least, std::int32_t most) {
  return value < least ? least : value > most ? most : value;
}

#if defined(__ARM_FEATURE_DSP) && !defined(SER_PORTABLE)

// One block of weights: rows 0 to 3 of four inputs. The sum of a word's two products, 256 * a + b
// times x, goes to one register; SXTB16 leaves the b of both, whose products go to another.
#define SER_FOUR_INPUTS                     \
  "ldmia %[weights]!, {r8, r9, r10, r11}\n" \
  "ldrd %[x], %[y], [%[input]], #8\n"       \
  "smlad %[wide01], r8, %[x], %[wide01]\n"  \
  "smlad %[wide23], r9, %[x], %[wide23]\n"  \
  "sxtb16 r8, r8\n"                         \
  "sxtb16 r9, r9\n"                         \
  "smlad %[row1], r8, %[x], %[row1]\n"      \
  "smlad %[row3], r9, %[x], %[row3]\n"      \
  "smlad %[wide01], r10, %[y], %[wide01]\n" \
  "smlad %[wide23], r11, %[y], %[wide23]\n" \
  "sxtb16 r10, r10\n"                       \
  "sxtb16 r11, r11\n"                       \
  "smlad %[row1], r10, %[y], %[row1]\n"     \
  "smlad %[row3], r11, %[y], %[row3]\n"

// Products of `count` inputs, a positive multiple of 4, with four rows; moves on in the weights.
inline Sums Multiply(const std::int16_t*& weights, const std::int16_t* input, int count) {
  std::int32_t wide01 = 0;
  std::int32_t wide23 = 0;
  std::int32_t row1 = 0;
  std::int32_t row3 = 0;
  std::int32_t x;
  std::int32_t y;
  asm volatile(
      "lsrs %[count], %[count], #3\n"  // carry: whether one block is over
      "bcc 1f\n"                       //
      SER_FOUR_INPUTS                  //
      "cbz %[count], 2f\n"             //
      "1:\n"                           //
      SER_FOUR_INPUTS                  //
      SER_FOUR_INPUTS                  //
      "subs %[count], #1\n"            //
      "bne 1b\n"                       //
      "2:\n"
      : [weights] "+r"(weights), [input] "+r"(input), [count] "+l"(count), [wide01] "+r"(wide01),
        [wide23] "+r"(wide23), [row1] "+r"(row1), [row3] "+r"(row3), [x] "=&r"(x), [y] "=&r"(y)
      :
      : "r8", "r9", "r10", "r11", "cc", "memory");
  return {{(wide01 - row1) >> 8, row1, (wide23 - row3) >> 8, row3}};
}

#undef SER_FOUR_INPUTS

// 2^doublings * a * b / 2^32, rounded. The tables see to it that 2^doublings * a is no overflow.
inline std::int32_t HighProduct(std::int32_t a, int doublings, std::int32_t b) {
  std::int32_t product;
  asm("smmulr %0, %1, %2" : "=r"(product) : "r"(a << doublings), "r"(b));
  return product;
}

inline std::int32_t Saturate16(std::int32_t value) {
  asm("ssat %0, #16, %0" : "+r"(value) : : "cc");
  return value;
}

inline std::int32_t Saturate8(std::int32_t value) {
  asm("ssat %0, #8, %0" : "+r"(value) : : "cc");
  return value;
}

#else

inline std::int32_t LowByte(std::int16_t pair) { return static_cast<std::int8_t>(pair & 0xff); }
inline std::int32_t HighByte(std::int16_t pair) { return (pair - LowByte(pair)) / 256; }

inline Sums Multiply(const std::int16_t*& weights, const std::int16_t* input, int count) {
  Sums sums = {};
  for (; count > 0; count -= 2, weights += 4, input += 2) {
    for (int i = 0; i < 2; ++i) {
      sums.row[0] += HighByte(weights[i]) * input[i];
      sums.row[1] += LowByte(weights[i]) * input[i];
      sums.row[2] += HighByte(weights[2 + i]) * input[i];
      sums.row[3] += LowByte(weights[2 + i]) * input[i];
    }
  }
  return sums;
}

inline std::int32_t HighProduct(std::int32_t a, int doublings, std::int32_t b) {
  const std::int64_t product = static_cast<std::int64_t>(a) * b * (std::int64_t{1} << doublings);
  return static_cast<std::int32_t>((product + (std::int64_t{1} << 31)) >> 32);
}

inline std::int32_t Saturate16(std::int32_t value) { return Clamp(value, -32768, 32767); }
inline std::int32_t Saturate8(std::int32_t value) { return Clamp(value, -128, 127); }

#endif

// A product, rounded, and a shift, rounded with halves away from zero: TFLite Micro rounds twice.
inline std::int32_t Scale(std::int32_t value, const Scaling& by) {
  const std::int32_t product = HighProduct(value, by.doublings, by.multiplier);
  return (product + by.half + ((product >> 31) & by.negative)) >> by.shift;
}

// Line through two entries of the table; `bits` of the place are the way between them.
inline std::int32_t Interpolate(std::uint32_t place, int bits) {
  const std::uint32_t index = place >> bits;
  const std::int32_t from = model::kDirectSigmoid[index];
  const std::int32_t to = model::kDirectSigmoid[index + 1];
  const std::int32_t part = static_cast<std::int32_t>(place & ((1u << bits) - 1));
  return (from << bits) + part * (to - from);
}

// Both take the table's argument in a third of 2^-12 (times 3 is an int16 of scale 2^-12), and
// give 1 as 2^15. The table's end is out of the sigmoid's reach.
inline std::int32_t Sigmoid(std::int32_t place) {
  const std::uint32_t size = static_cast<std::uint32_t>(place < 0 ? -place : place);
  const std::int32_t value = (Interpolate(size, 9) + 512) >> 10;
  return place < 0 ? 32768 - value : value;
}

inline std::int32_t Tanh(std::int32_t place) {
  const std::uint32_t size = static_cast<std::uint32_t>(place < 0 ? -place : place);
  const std::int32_t twice = size >= (255u << 8) ? 0xffff << 8 : Interpolate(size, 8);
  const std::int32_t value = (twice - (1 << 23) + 128) >> 8;
  return place < 0 ? -value : value;
}

// One unit: its state moves on by a step, its cell in place.
inline std::int32_t Unit(const LstmLayer& layer, const Sums& input, const Sums& state,
                         const std::int32_t* bias, std::int16_t* cell) {
  std::int32_t gate[4];
  for (int i = 0; i < 4; ++i) {
    const std::int32_t from_input = Scale(input.row[i] + bias[i], layer.input_scaling[i]);
    const std::int32_t from_state = Scale(state.row[i] + bias[4 + i], layer.state_scaling[i]);
    gate[i] = 3 * Saturate16(Saturate16(from_input) + Saturate16(from_state));
  }
  const std::int32_t kept = Saturate16(Scale(Sigmoid(gate[1]) * *cell, layer.forget_scaling));
  const std::int32_t update =
      Saturate16(Scale(Sigmoid(gate[0]) * Tanh(gate[2]), layer.update_scaling));
  const std::int32_t limit = layer.cell_clip;
  const std::int32_t now = Clamp(Saturate16(kept + update), -limit, limit);
  *cell = static_cast<std::int16_t>(now);
  const std::int32_t half = (1 << layer.tanh_shift) >> 1;
  const std::int32_t place = (now * layer.tanh_multiplier + half) >> layer.tanh_shift;
  const std::int32_t hidden = Scale(Sigmoid(gate[3]) * Tanh(place), layer.hidden_scaling);
  return Saturate8(hidden + layer.hidden_zero_point);
}

void StepLstm(const LstmLayer& layer, const std::int16_t* input, const std::int16_t* hidden,
              std::int16_t* cell, std::int16_t* new_hidden) {
  const std::int16_t* weights = layer.weights;
  const std::int32_t* bias = layer.bias;
  for (int unit = 0; unit < layer.units; ++unit) {
    const Sums of_input = Multiply(weights, input, layer.inputs);
    const Sums of_state = Multiply(weights, hidden, layer.width);
    new_hidden[unit] =
        static_cast<std::int16_t>(Unit(layer, of_input, of_state, bias, cell + unit));
    bias += 8;
  }
}

void RunDense(const DenseLayer& layer, const std::int16_t* input, std::int16_t* output) {
  const std::int16_t* weights = layer.weights;
  for (int row = 0; row < layer.outputs; row += 4) {
    const Sums sums = Multiply(weights, input, layer.inputs);
    for (int i = 0; i < 4; ++i) {
      const std::int32_t value = Scale(sums.row[i] + layer.bias[row + i], layer.scaling);
      output[row + i] = static_cast<std::int16_t>(
          Clamp(value + layer.zero_point, layer.smallest, layer.largest));
    }
  }
}

// As HighProduct with one doubling, of numbers that use all 32 bits.
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
    output[i] = static_cast<std::int8_t>(Saturate8(share));
  }
}

}  // namespace

Status DirectEngine::Begin() {
  begun_ = model::FilesBelongTogether();
  Reset();
  return begun_ ? Status::kOk : Status::kModelMismatch;
}

void DirectEngine::Reset() {
  std::int16_t* hidden = hidden_;
  for (const LstmLayer& layer : model::kDirectLstms) {
    for (int i = 0; i < layer.width; ++i) {
      *hidden++ = static_cast<std::int16_t>(layer.hidden_zero_point);
    }
  }
  std::memset(cell_, 0, sizeof(cell_));
  std::memset(work_, 0, sizeof(work_));
}

Status DirectEngine::Step(const std::int8_t* input, std::int8_t* output) {
  if (!begun_) return Status::kNotBegun;
  // What lies between kDirectInputCount and the next multiple of 4 has zero weights.
  for (int i = 0; i < model::kDirectInputCount; ++i) work_[0][i] = input[i];
  const std::int16_t* from = work_[0];
  std::int16_t* hidden = hidden_;
  std::int16_t* cell = cell_;
  for (const LstmLayer& layer : model::kDirectLstms) {
    StepLstm(layer, from, hidden, cell, work_[1]);
    std::memcpy(hidden, work_[1], sizeof(hidden[0]) * static_cast<std::size_t>(layer.units));
    from = hidden;
    hidden += layer.width;
    cell += layer.units;
  }
  int turn = 0;
  for (const DenseLayer& layer : model::kDirectDenses) {
    RunDense(layer, from, work_[turn]);
    from = work_[turn];
    turn = 1 - turn;
  }
  Softmax(from, output);
  return Status::kOk;
}

}  // namespace ser
