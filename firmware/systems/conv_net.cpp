#include "conv_net.h"

#include <cstdint>
#include <cstring>

// The core compiles for size; here time counts.
#ifndef __clang__
#pragma GCC optimize("O2")
#endif

#include "../lstm/products.h"
#include "../lstm/scaling.h"
#include "dense.h"

namespace ser {
namespace {

using lstm::Sums;
using model::ConvLayer;
using model::kConvs;

constexpr int kFilled = (model::kDirectInputCount + 3) / 4 * 4;

std::int8_t even[model::kConvBuffers[0]];
std::int8_t odd[model::kConvBuffers[1]];
alignas(4) std::int16_t window[model::kConvWindow];
alignas(4) std::int16_t last[kFilled];

std::int8_t* Buffer(int layer) { return layer % 2 == 0 ? even : odd; }

// What a position is computed from, in the order in which products.h takes it.
void Look(const ConvLayer& layer, const std::int8_t* input, int length, int position) {
  int at = 0;
  for (int tap = 0; tap < layer.kernel; ++tap) {
    const int from = position - layer.before + tap;
    const bool inside = from >= 0 && from < length;
    const std::int8_t* values = input + from * layer.inputs;
    for (int i = 0; i < layer.inputs; ++i, ++at) {
      const int value = inside ? values[i] : layer.input_zero_point;
      window[(at & ~3) + lstm::kOrder[at & 3]] = static_cast<std::int16_t>(value);
    }
  }
}

}  // namespace

int ConvNet::Positions(int layer) {
  return kConvs[layer].positions / kConvs[layer].pool * kConvs[layer].pool;
}

void ConvNet::Position(int number, int position) {
  const ConvLayer& layer = kConvs[number];
  const int count = layer.kernel * layer.inputs;
  Look(layer, Buffer(number), layer.positions, position);
  std::int8_t* output = Buffer(number + 1) + position / layer.pool * layer.outputs;
  const bool first = position % layer.pool == 0;
  for (int row = 0; row < layer.outputs; row += 4) {
    const int rest = layer.outputs - row < 4 ? layer.outputs - row : 4;
    const std::int8_t* rows[4];
    Sums sums;
    for (int i = 0; i < 4; ++i) {
      const int one = row + (i < rest ? i : 0);
      rows[i] = layer.weights + one * count;
      sums.row[i] = layer.bias[one];
    }
    lstm::AddProducts(rows, window, count, &sums);
    for (int i = 0; i < rest; ++i) {
      const lstm::Scaling scaling = ScalingOf(layer.scaling[row + i]);
      std::int32_t value = lstm::Scale(sums.row[i], scaling) + layer.zero_point;
      value = value < layer.smallest ? layer.smallest : value > layer.largest ? layer.largest : value;
      if (first || value > output[row + i]) output[row + i] = static_cast<std::int8_t>(value);
    }
  }
}

void ConvNet::Finish(std::int8_t* output) {
  const std::int8_t* values = Buffer(model::kConvCount);
  for (int i = 0; i < model::kDirectInputCount; ++i) last[i] = values[i];
  Classify(last, output);
}

void ConvNet::Answer(const std::int8_t* input, std::int8_t* output) {
  std::memcpy(even, input, model::kConvInputCount);
  for (int layer = 0; layer < model::kConvCount; ++layer) {
    for (int position = 0; position < Positions(layer); ++position) Position(layer, position);
  }
  Finish(output);
}

}  // namespace ser
