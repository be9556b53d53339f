// Engine 1 without its library: the LSTM kernel over the model file's own weights, and the other
// engine's Dense layers after it. So the kernel is run and measured where TFLite Micro is not.
#ifndef SER_EMULATE_KERNEL_ENGINE_H_
#define SER_EMULATE_KERNEL_ENGINE_H_

#include <cstdint>

#include "../ser/status.h"

namespace ser {

// Its memory is static: have one only.
class OtherEngine {
 public:
  Status Begin();
  void Reset();
  Status Step(const std::int8_t* input, std::int8_t* output);
  static const char* Name() { return "kernel"; }
  static int ArenaBytes() { return 0; }

 private:
  bool begun_ = false;
};

}  // namespace ser

#endif
