#include "../ser/engine_config.h"

#if SER_ENGINE == SER_ENGINE_OTHER

#include <cstring>

#include "../lstm/layer.h"
#include "../model/model.h"
#include "../ser/dense.h"
#include "kernel_engine.h"
#include "kernel_layers.h"  // made for the model by ser_tinyml.device.emulation.kernel

namespace ser {
namespace {

using emulate::kCells;
using emulate::kLayers;
using emulate::kWork;

constexpr int kCount = static_cast<int>(sizeof(kLayers) / sizeof(kLayers[0]));
constexpr int kFilled = (kCells + 3) / 4 * 4;

lstm::Layer layers[kCount];
std::int8_t state[kCells];
std::int16_t cell[kCells];
std::int8_t flowing[2][kCells];
alignas(4) std::int16_t work[kWork];
alignas(4) std::int16_t last[kFilled];

}  // namespace

Status OtherEngine::Begin() {
  begun_ = false;
  for (int i = 0; i < kCount; ++i) {
    if (lstm::Prepare(kLayers[i], &layers[i]) != nullptr) return Status::kModelShape;
  }
  begun_ = model::FilesBelongTogether();
  Reset();
  return begun_ ? Status::kOk : Status::kModelMismatch;
}

void OtherEngine::Reset() {
  std::int8_t* at = state;
  for (const lstm::Description& layer : kLayers) {
    std::memset(at, layer.state_zero_point, static_cast<std::size_t>(layer.units));
    at += layer.units;
  }
  std::memset(cell, 0, sizeof(cell));
}

Status OtherEngine::Step(const std::int8_t* input, std::int8_t* output) {
  if (!begun_) return Status::kNotBegun;
  int before = 0;
  int turn = 0;
  for (const lstm::Layer& layer : layers) {
    lstm::Run(layer, input, state + before, cell + before, flowing[turn], work);
    before += layer.described.units;
    input = flowing[turn];
    turn = 1 - turn;
  }
  for (int i = 0; i < layers[kCount - 1].described.units; ++i) last[i] = input[i];
  Classify(last, output);
  return Status::kOk;
}

}  // namespace ser

#endif
