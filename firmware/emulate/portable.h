// What the firmware keeps in memory, in a file of its own so that it can be measured.
#ifndef SER_EMULATE_PORTABLE_H_
#define SER_EMULATE_PORTABLE_H_

#include "../ser/device.h"

namespace emulate {

extern ser::Device device;

}  // namespace emulate

#endif
