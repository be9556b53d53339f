// Bluetooth Low Energy: whoever subscribed is told each final decision. Empty unless SER_BLE is 1.
#ifndef BOARD_BLE_H_
#define BOARD_BLE_H_

#include "../ser/device.h"

namespace board {

void BeginBle(ser::Device* device);
void TellBle(const ser::Device::Told& told);

}  // namespace board

#endif
