// The PDM microphone's driver: 256 samples at a time from its interrupt to the device.
#ifndef BOARD_PDM_H_
#define BOARD_PDM_H_

#include <cstdint>

#include "../ser/device.h"

namespace board {

// Switches the microphone on; false if it does not start. Gain: -20 to 20 dB, in half dB.
bool BeginPdm(ser::Device* device, float gain_db);

// Switches it off, and its power.
void EndPdm();

// How many buffers came so far, for whoever watches that they do.
std::uint32_t PdmBuffersThatCame();

}  // namespace board

#endif
