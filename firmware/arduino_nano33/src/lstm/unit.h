// One unit of an LSTM: from the sums of its four gates to its new state.
#ifndef LSTM_UNIT_H_
#define LSTM_UNIT_H_

#include <cstdint>

#include "activations.h"
#include "products.h"
#include "scaling.h"

namespace lstm {

// Gates stand in the order input, forget, cell, output.
struct UnitSettings {
  Scaling input[4];  // from sums of the input to a gate: 2^12 is 1
  Scaling state[4];  // from sums of the state
  Scaling update;    // of input gate * cell gate, to the cell
  Scaling hidden;    // of output gate * tanh(cell), to the state
  std::int32_t least;  // of the cell: what int16 holds, or less
  std::int32_t most;
  std::int32_t triple;  // tanh takes (cell * triple + half) >> shift
  std::int32_t shift;
  std::int32_t half;
  std::int32_t zero_point;  // of the state
};

// The scaling at place kIndex of the settings, by loads of two words, which a compiler would part.
template <int kIndex>
LSTM_INLINE std::int32_t ScaleSum(const UnitSettings& by, std::int32_t sum) {
#if defined(__ARM_FEATURE_DSP) && !defined(SER_PORTABLE)
  const Scaling* const scalings = by.input;
  constexpr int kAt = kIndex * static_cast<int>(sizeof(Scaling));
  Scaling scaling;
  asm("ldrd %0, %1, [%2, %3]"
      : "=r"(scaling.doublings), "=r"(scaling.multiplier)
      : "r"(scalings), "i"(kAt), "m"(by));
  asm("ldrd %0, %1, [%2, %3]"
      : "=r"(scaling.half), "=r"(scaling.sign)
      : "r"(scalings), "i"(kAt + 8), "m"(by));
  scaling.shift = scalings[kIndex].shift;
  return Saturate16(Scale(sum, scaling));
#else
  return Saturate16(Scale(sum, kIndex < 4 ? by.input[kIndex] : by.state[kIndex - 4]));
#endif
}

// Three times what goes into a gate.
template <int kGate>
LSTM_INLINE std::int32_t Gate(const UnitSettings& by, const Sums& input, const Sums& state) {
  const std::int32_t of_input = ScaleSum<kGate>(by, input.row[kGate]);
  return TripleSum(of_input, ScaleSum<4 + kGate>(by, state.row[kGate]));
}

// Takes sums with their biases, moves the cell on by a step and gives the new state.
LSTM_INLINE std::int32_t StepUnit(const UnitSettings& by, const Sums& input, const Sums& state,
                             std::int16_t* cell) {
  const std::int32_t input_gate = Sigmoid(Gate<0>(by, input, state));
  const std::int32_t forget_gate = Sigmoid(Gate<1>(by, input, state));
  const std::int32_t cell_gate = Tanh(Gate<2>(by, input, state));
  const std::int32_t output_gate = Sigmoid(Gate<3>(by, input, state));
  // A gate is below 1 and the cell at most 1 in this scale: the product needs no limit.
  const std::int32_t kept = ScaleBy15Bits(forget_gate * *cell);
  const std::int32_t update = Saturate16(ScaleDown(input_gate * cell_gate, by.update));
  std::int32_t now = kept + update;
  if (now > by.most) now = by.most;
  if (now < by.least) now = by.least;
  *cell = static_cast<std::int16_t>(now);
  const std::int32_t level = Tanh((now * by.triple + by.half) >> by.shift);
  return Saturate8(ScaleDown(output_gate * level, by.hidden) + by.zero_point);
}

}  // namespace lstm

#endif
