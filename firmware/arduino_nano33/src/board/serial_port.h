// The USB serial line, without ever making the sound wait for the host.
#ifndef BOARD_SERIAL_PORT_H_
#define BOARD_SERIAL_PORT_H_

#include "../ser/device.h"

namespace board {

void BeginSerial(ser::Device* device);

// Hands what the host sent to the device.
void ReceiveSerial();

}  // namespace board

#endif
