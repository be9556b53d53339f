#include "direct_engine.h"

#include <cstdint>
#include <cstring>

// The core compiles for size; here time counts. Registers are what is short: what GCC would do to
// keep more values at hand puts others on the stack.
#ifndef __clang__
#pragma GCC optimize("O2", "no-schedule-insns", "no-ivopts")
#endif

#include "../lstm/unit.h"
#include "../model/model.h"
#include "dense.h"

namespace ser {
namespace {

using lstm::Sums;
using model::LstmLayer;

lstm::UnitSettings SettingsOf(const LstmLayer& layer) {
  lstm::UnitSettings unit = {};
  for (int gate = 0; gate < 4; ++gate) {
    unit.input[gate] = ScalingOf(layer.input_scaling[gate]);
    unit.state[gate] = ScalingOf(layer.state_scaling[gate]);
  }
  unit.update = ScalingOf(layer.update_scaling);
  unit.hidden = ScalingOf(layer.hidden_scaling);
  unit.least = -layer.cell_clip;
  unit.most = layer.cell_clip < 32767 ? layer.cell_clip : 32767;
  unit.triple = layer.tanh_multiplier;
  unit.shift = layer.tanh_shift;
  unit.half = (1 << layer.tanh_shift) >> 1;
  unit.zero_point = layer.hidden_zero_point;
  return unit;
}

void StepLstm(const LstmLayer& layer, const lstm::UnitSettings& settings,
              const std::int16_t* input, const std::int16_t* hidden, std::int16_t* cell,
              std::int16_t* new_hidden) {
  const std::int16_t* weights = layer.weights;
  const std::int32_t* bias = layer.bias;
  for (int unit = 0; unit < layer.units; ++unit) {
    const Sums of_input = lstm::MultiplyPacked(bias, weights, input, layer.inputs);
    const Sums of_state = lstm::MultiplyPacked(bias + 4, weights, hidden, layer.width);
    new_hidden[unit] =
        static_cast<std::int16_t>(lstm::StepUnit(settings, of_input, of_state, cell + unit));
    bias += 8;
  }
}

}  // namespace

Status DirectEngine::Begin() {
  begun_ = model::FilesBelongTogether();
  for (int i = 0; i < model::kDirectLstmCount; ++i) units_[i] = SettingsOf(model::kDirectLstms[i]);
  Reset();
  return begun_ ? Status::kOk : Status::kModelMismatch;
}

void DirectEngine::Reset() {
  int at = 0;
  for (const LstmLayer& layer : model::kDirectLstms) {
    for (int i = 0; i < layer.width; ++i, ++at) {
      hidden_[0][at] = static_cast<std::int16_t>(layer.hidden_zero_point);
      hidden_[1][at] = hidden_[0][at];
    }
  }
  std::memset(cell_, 0, sizeof(cell_));
  std::memset(input_, 0, sizeof(input_));
}

Status DirectEngine::Step(const std::int8_t* input, std::int8_t* output) {
  if (!begun_) return Status::kNotBegun;
  // What lies between kDirectInputCount and the next multiple of 4 has zero weights.
  for (int i = 0; i < model::kDirectInputCount; ++i) input_[i] = input[i];
  const std::int16_t* from = input_;
  const std::int16_t* hidden = hidden_[turn_];
  turn_ = 1 - turn_;
  std::int16_t* new_hidden = hidden_[turn_];
  std::int16_t* cell = cell_;
  const lstm::UnitSettings* settings = units_;
  for (const LstmLayer& layer : model::kDirectLstms) {
    StepLstm(layer, *settings++, from, hidden, cell, new_hidden);
    from = new_hidden;
    hidden += layer.width;
    new_hidden += layer.width;
    cell += layer.units;
  }
  Classify(from, output);
  return Status::kOk;
}

}  // namespace ser
