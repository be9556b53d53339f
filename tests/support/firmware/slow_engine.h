// The direct engine in virtual time: a step takes as long as one likes, and sound comes meanwhile.
#ifndef SLOW_ENGINE_H_
#define SLOW_ENGINE_H_

#include "ser/direct_engine.h"

void PassTime(std::uint32_t microseconds);
extern std::uint32_t step_us;

namespace ser {

class OtherEngine {
 public:
  Status Begin() { return engine_.Begin(); }
  void Reset() { engine_.Reset(); }
  Status Step(const std::int8_t* input, std::int8_t* output) {
    PassTime(step_us);
    return engine_.Step(input, output);
  }
  static const char* Name() { return "slow"; }
  static int ArenaBytes() { return 0; }

 private:
  DirectEngine engine_;
};

}  // namespace ser

#endif
