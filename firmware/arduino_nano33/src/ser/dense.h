// What follows the LSTM layers: Dense layers and softmax, bit for bit as TFLite Micro has them.
#ifndef SER_DENSE_H_
#define SER_DENSE_H_

#include <cstdint>

#include "../lstm/scaling.h"
#include "../model/direct_tables.h"

namespace ser {

constexpr lstm::Scaling ScalingOf(const model::Scaling& table) {
  return {table.doublings, table.multiplier, table.half, -table.negative, table.shift};
}

// From the last layer's state, int8 as int16 and filled up to a multiple of four, to the answer of
// kDirectClassCount int8.
void Classify(const std::int16_t* state, std::int8_t* output);

}  // namespace ser

#endif
