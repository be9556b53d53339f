// Engine 1: TFLite Micro's interpreter. Its headers stay in the .cpp, for they do not bear Arduino.h.
#ifndef SER_TFLM_ENGINE_H_
#define SER_TFLM_ENGINE_H_

#include <cstdint>

#include "status.h"

namespace ser {

// Its arena is static: have one only.
class TflmEngine {
 public:
  Status Begin();
  void Reset();
  Status Step(const std::int8_t* input, std::int8_t* output);
  static const char* Name() { return "tflm"; }
  static int ArenaBytes();  // used, not reserved
};

}  // namespace ser

#endif
