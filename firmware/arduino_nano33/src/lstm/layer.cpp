#include <cmath>
#include <cstdint>
#include <cstring>

// The core compiles for size; here time counts.
#ifndef __clang__
#pragma GCC optimize("O2")
#endif

#include "layer.h"

namespace lstm {
namespace {

constexpr double kGateScale = 1.0 / 4096;    // of what goes into sigmoid and tanh
constexpr double kUnitScale = 1.0 / 32768;   // of what comes out of them
constexpr int kMostFiner = 12;               // so that tanh's argument fits into 31 bits

constexpr int Filled(int count) { return (count + 3) / 4 * 4; }

std::int64_t Size(std::int64_t value) { return value < 0 ? -value : value; }

// Whether no sum of a gate overflows when it is scaled.
bool SumsFit(const std::int8_t* weights, const std::int32_t* bias, int units, int count,
             int zero_point, const Scaling& scaling) {
  const std::int64_t largest = zero_point < 0 ? 127 - zero_point : 128 + zero_point;
  const std::int64_t limit = (std::int64_t{1} << 31) >> scaling.doublings;
  for (int unit = 0; unit < units; ++unit) {
    std::int64_t sum = bias == nullptr ? 0 : Size(bias[unit]);
    for (int i = 0; i < count; ++i) sum += largest * Size(weights[unit * count + i]);
    if (sum >= limit) return false;
  }
  return true;
}

const char* PrepareGate(const Description& described, int gate, UnitSettings* unit) {
  const auto product = [](float a, float b) {
    return static_cast<double>(a) * static_cast<double>(b) / kGateScale;
  };
  Scaling* const input = &unit->input[gate];
  Scaling* const state = &unit->state[gate];
  if (!MakeScaling(product(described.input_scale, described.input_weight_scale[gate]), input) ||
      !MakeScaling(product(described.state_scale, described.state_weight_scale[gate]), state)) {
    return "a scale of input, state or weights is out of reach";
  }
  if (!SumsFit(described.input_weights[gate], described.bias[gate], described.units,
               described.inputs, described.input_zero_point, *input) ||
      !SumsFit(described.state_weights[gate], nullptr, described.units, described.units,
               described.state_zero_point, *state)) {
    return "sums of products do not fit into 32 bits";
  }
  return nullptr;
}

// The cell's scale is a power of two, and tanh takes the cell by shifts.
const char* PrepareCell(const Description& described, UnitSettings* unit) {
  const double scale = static_cast<double>(described.cell_scale);
  if (!(scale > 0.0)) return "the cell's scale is not positive";
  const double exact = std::log2(scale);
  const double power = std::round(exact);
  if (std::fabs(exact - power) > 1e-3) return "the cell's scale is no power of two";
  const int finer = 12 + static_cast<int>(power);
  if (finer > kMostFiner || finer < -kMostFiner) return "the cell's scale is out of reach";
  unit->triple = finer > 0 ? 3 << finer : 3;
  unit->shift = finer < 0 ? -finer : 0;
  unit->half = (1 << unit->shift) >> 1;
  unit->least = -32768;
  unit->most = 32767;
  if (described.cell_clip > 0.0f) {
    const double clip = static_cast<double>(described.cell_clip) / scale;
    if (clip < 32767.0) unit->most = static_cast<std::int32_t>(clip);
    unit->least = -unit->most;
  }
  const bool known =
      MakeScaling(kUnitScale * kUnitScale / scale, &unit->update) &&
      MakeScaling(kUnitScale * kUnitScale / static_cast<double>(described.state_scale),
                  &unit->hidden);
  if (!known || unit->update.shift == 0 || unit->hidden.shift == 0) {
    return "the scale of the cell or of the state is out of reach";
  }
  unit->zero_point = described.state_zero_point;
  return nullptr;
}

// int8 as int16, without the zero point and in the order of kOrder, filled up with zeros.
void Spread(const std::int8_t* from, int count, int zero_point, std::int16_t* to) {
  const int whole = count / 4 * 4;
  int at = 0;
  for (; at < whole; at += 4) {
    to[at] = static_cast<std::int16_t>(from[at] - zero_point);
    to[at + 1] = static_cast<std::int16_t>(from[at + 2] - zero_point);
    to[at + 2] = static_cast<std::int16_t>(from[at + 1] - zero_point);
    to[at + 3] = static_cast<std::int16_t>(from[at + 3] - zero_point);
  }
  if (at == count) return;
  for (int i = 0; i < 4; ++i) {
    const int place = at + kOrder[i];
    to[at + i] = static_cast<std::int16_t>(place < count ? from[place] - zero_point : 0);
  }
}

void Step(const Layer& layer, const std::int8_t* input, std::int8_t* state, std::int16_t* cell,
          std::int16_t* work) {
  const Description& has = layer.described;
  std::int16_t* const of_input = work;
  std::int16_t* const of_state = work + Filled(has.inputs);
  Spread(input, has.inputs, has.input_zero_point, of_input);
  Spread(state, has.units, has.state_zero_point, of_state);
  const std::int8_t* inputs[4];
  const std::int8_t* states[4];
  std::memcpy(inputs, has.input_weights, sizeof(inputs));
  std::memcpy(states, has.state_weights, sizeof(states));
  for (int unit = 0; unit < has.units; ++unit) {
    Sums from_input = {{has.bias[0][unit], has.bias[1][unit], has.bias[2][unit], has.bias[3][unit]}};
    Sums from_state = {};
    AddProducts(inputs, of_input, has.inputs, &from_input);
    AddProducts(states, of_state, has.units, &from_state);
    state[unit] =
        static_cast<std::int8_t>(StepUnit(layer.unit, from_input, from_state, cell + unit));
    for (int gate = 0; gate < 4; ++gate) {
      inputs[gate] += has.inputs;
      states[gate] += has.units;
    }
  }
}

}  // namespace

const char* Prepare(const Description& described, Layer* layer) {
  if (described.batches < 1 || described.steps < 1 || described.inputs < 1 ||
      described.units < 1) {
    return "expected at least one batch, step, input and unit";
  }
  for (int gate = 0; gate < 4; ++gate) {
    const char* const trouble = PrepareGate(described, gate, &layer->unit);
    if (trouble != nullptr) return trouble;
  }
  layer->described = described;
  return PrepareCell(described, &layer->unit);
}

std::size_t WorkSize(const Description& described) {
  return static_cast<std::size_t>(Filled(described.inputs) + Filled(described.units));
}

void Run(const Layer& layer, const std::int8_t* input, std::int8_t* state, std::int16_t* cell,
         std::int8_t* output, std::int16_t* work) {
  const Description& has = layer.described;
  const std::size_t units = static_cast<std::size_t>(has.units);
  for (int batch = 0; batch < has.batches; ++batch) {
    for (int step = 0; step < has.steps; ++step) {
      Step(layer, input, state, cell, work);
      std::memcpy(output, state, units);
      input += has.inputs;
      output += has.units;
    }
    state += has.units;
    cell += has.units;
  }
}

}  // namespace lstm
