// The engine that engine_config.h chose. A class that has all of these is an engine:
//
//   Status Begin();                 once; checks that model, settings and engine fit each other
//   void Reset();                   forgets the past: the next step is the first of a clip
//   Status Step(input, output);     kInputCount int8 in, kLabelCount int8 out
//   static const char* Name();
//   static int ArenaBytes();        that the library really used; 0 if the engine needs none
#ifndef SER_ENGINE_H_
#define SER_ENGINE_H_

#include "engine_config.h"

#if SER_ENGINE == SER_ENGINE_DIRECT
#include "direct_engine.h"
#elif SER_ENGINE == SER_ENGINE_TFLM
#include "tflm_engine.h"
#elif SER_ENGINE == SER_ENGINE_OTHER
#include SER_ENGINE_HEADER
#else
#error "SER_ENGINE: expected SER_ENGINE_TFLM, SER_ENGINE_DIRECT or SER_ENGINE_OTHER"
#endif

namespace ser {

#if SER_ENGINE == SER_ENGINE_DIRECT
using Engine = DirectEngine;
#elif SER_ENGINE == SER_ENGINE_OTHER
using Engine = OtherEngine;
#else
using Engine = TflmEngine;
#endif

}  // namespace ser

#endif
