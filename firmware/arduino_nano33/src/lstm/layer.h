// A whole LSTM layer over weights as a model file has them, bit for bit as TFLite Micro's reference
// kernel computes it. It knows nothing of the interpreter: resolver.h joins the two.
#ifndef LSTM_LAYER_H_
#define LSTM_LAYER_H_

#include <cstddef>
#include <cstdint>

#include "unit.h"

namespace lstm {

// What the model file says of a layer. Gates stand in the order input, forget, cell, output; weights
// are rows of int8, a row a unit, with zero point 0.
struct Description {
  int batches;
  int steps;   // of an input
  int inputs;  // of a step
  int units;
  float input_scale;
  int input_zero_point;
  float state_scale;
  int state_zero_point;
  float cell_scale;  // a power of two
  float cell_clip;   // 0: none
  float input_weight_scale[4];
  float state_weight_scale[4];
  const std::int8_t* input_weights[4];
  const std::int8_t* state_weights[4];
  const std::int32_t* bias[4];
};

// A layer that Prepare has checked.
struct Layer {
  Description described;
  UnitSettings unit;
};

// Works out all factors. Null if the layer can run; otherwise what stands in the way, in words.
const char* Prepare(const Description& described, Layer* layer);

// int16 numbers of work space that Run needs.
std::size_t WorkSize(const Description& described);

// All batches and steps. Takes `input` of batches * steps * inputs; moves `state` and `cell` on, of
// batches * units each; leaves every state in `output`, of batches * steps * units. `work` has
// WorkSize numbers, aligned to 4 bytes, of no meaning before or after.
void Run(const Layer& layer, const std::int8_t* input, std::int8_t* state, std::int16_t* cell,
         std::int8_t* output, std::int16_t* work);

}  // namespace lstm

#endif
