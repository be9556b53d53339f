// Engine 2: the network as straight C++ over generated tables. No interpreter, no arena.
#ifndef SER_DIRECT_ENGINE_H_
#define SER_DIRECT_ENGINE_H_

#include <cstdint>

#include "../lstm/unit.h"
#include "../model/direct_tables.h"
#include "status.h"

namespace ser {

class DirectEngine {
 public:
  Status Begin();
  void Reset();
  Status Step(const std::int8_t* input, std::int8_t* output);
  static const char* Name() { return "direct"; }
  static int ArenaBytes() { return 0; }

 private:
  bool begun_ = false;
  int turn_ = 0;  // which of hidden_ is that of the last step
  lstm::UnitSettings units_[model::kDirectLstmCount];
  // Activations are kept as int16, two a word, for the dual multiplies; kDirect... are padded sizes.
  alignas(4) std::int16_t input_[model::kDirectWidth];
  alignas(4) std::int16_t hidden_[2][model::kDirectHiddenCount];  // of the last step and the next
  std::int16_t cell_[model::kDirectCellCount];
};

}  // namespace ser

#endif
