// The PDM microphone of the Nano 33 BLE Sense.
#ifndef BOARD_MICROPHONE_H_
#define BOARD_MICROPHONE_H_

#include <cstdint>

#include "../ser/device.h"

namespace board {

void BeginMicrophone(ser::Device* device);

// Starts it again when its sound has stopped coming. Does nothing before BeginMicrophone.
void WatchMicrophone(std::uint32_t now_ms);

}  // namespace board

#endif
