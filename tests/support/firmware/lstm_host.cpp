// The LSTM kernel behind a pipe: a description and inputs in, outputs and states out.
//
// In, layer after layer: 7 int32 (batches, steps, inputs, units, zero points of input and state,
// runs), 12 float32 (scales of input, state and cell, cell clip, scales of the weights of input and
// of state), bias of each gate, weights of the input of each gate, weights of the state of each
// gate; then the inputs of each run.
// Out: a line with "ok" or a refusal; after "ok", for each run, outputs, state and cell.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "lstm/layer.h"

template <typename T>
static bool Read(T* values, std::size_t count) {
  return std::fread(values, sizeof(T), count, stdin) == count;
}

template <typename T>
static std::vector<T> ReadMany(std::size_t count) {
  std::vector<T> values(count);
  if (!Read(values.data(), count)) std::exit(1);
  return values;
}

template <typename T>
static void Write(const std::vector<T>& values) {
  std::fwrite(values.data(), sizeof(T), values.size(), stdout);
}

static bool RunLayer(const std::int32_t* sizes) {
  lstm::Description described = {};
  float scales[12];
  if (!Read(scales, 12)) return false;
  described.batches = sizes[0];
  described.steps = sizes[1];
  described.inputs = sizes[2];
  described.units = sizes[3];
  described.input_zero_point = sizes[4];
  described.state_zero_point = sizes[5];
  described.input_scale = scales[0];
  described.state_scale = scales[1];
  described.cell_scale = scales[2];
  described.cell_clip = scales[3];
  const std::size_t inputs = static_cast<std::size_t>(sizes[2]);
  const std::size_t units = static_cast<std::size_t>(sizes[3]);
  std::vector<std::int32_t> bias[4];
  std::vector<std::int8_t> input_weights[4];
  std::vector<std::int8_t> state_weights[4];
  // Each in memory of its own, so that the sanitizer sees a weight read that is not there.
  for (auto& values : bias) values = ReadMany<std::int32_t>(units);
  for (auto& values : input_weights) values = ReadMany<std::int8_t>(units * inputs);
  for (auto& values : state_weights) values = ReadMany<std::int8_t>(units * units);
  for (int gate = 0; gate < 4; ++gate) {
    described.input_weight_scale[gate] = scales[4 + gate];
    described.state_weight_scale[gate] = scales[8 + gate];
    described.input_weights[gate] = input_weights[gate].data();
    described.state_weights[gate] = state_weights[gate].data();
    described.bias[gate] = bias[gate].data();
  }
  lstm::Layer layer = {};
  const char* const trouble = lstm::Prepare(described, &layer);
  std::printf("%s\n", trouble == nullptr ? "ok" : trouble);
  const std::size_t batches = static_cast<std::size_t>(sizes[0]);
  const std::size_t steps = static_cast<std::size_t>(sizes[1]);
  std::vector<std::int8_t> output(batches * steps * units);
  std::vector<std::int8_t> state(batches * units, static_cast<std::int8_t>(sizes[5]));
  std::vector<std::int16_t> cell(batches * units, 0);
  std::vector<std::int16_t> work(lstm::WorkSize(described));
  for (int run = 0; run < sizes[6]; ++run) {
    const std::vector<std::int8_t> input = ReadMany<std::int8_t>(batches * steps * inputs);
    if (trouble != nullptr) continue;
    lstm::Run(layer, input.data(), state.data(), cell.data(), output.data(), work.data());
    Write(output);
    Write(state);
    Write(cell);
  }
  return true;
}

int main() {
  std::int32_t sizes[7];
  while (Read(sizes, 7)) {
    if (!RunLayer(sizes)) return 1;
  }
  return 0;
}
