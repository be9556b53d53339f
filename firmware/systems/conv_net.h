// An int8 net of convolutions along one dimension, bit for bit as TFLite Micro has it, without its
// interpreter: weights as the model file has them, four rows of them multiplied at a time.
#ifndef SER_CONV_NET_H_
#define SER_CONV_NET_H_

#include <cstdint>

#include "../model/conv_tables.h"

namespace ser {

// Its memory is static: have one only.
class ConvNet {
 public:
  // kConvInputCount normalised features to kDirectClassCount answers.
  void Answer(const std::int8_t* input, std::int8_t* output);

  // All outputs of a layer at one position, out of what the layer before it left.
  void Position(int layer, int position);

  // Dense layer and softmax, out of what the last layer left.
  void Finish(std::int8_t* output);

  // Positions that count in a layer: what the pooling leaves out is not computed.
  static int Positions(int layer);
};

}  // namespace ser

#endif
