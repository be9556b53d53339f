// What may be chosen about the board. The engine is chosen in ../ser/engine_config.h.
#ifndef BOARD_OPTIONS_H_
#define BOARD_OPTIONS_H_

#include <cstdint>

// 1: tell each final decision over Bluetooth Low Energy. Needs the library ArduinoBLE.
#ifndef SER_BLE
#define SER_BLE 0
#endif

// 1: let the processor keep a copy of the flash that it is reading (NRF_NVMC->ICACHECNF). The core
// leaves it off; others report 17 to 20 % less time with it.
#ifndef SER_FLASH_CACHE
#define SER_FLASH_CACHE 1
#endif

namespace board {

// The microphone settles for some seconds after it was switched on
// (https://github.com/arduino/ArduinoCore-mbed/issues/674).
constexpr std::uint32_t kSettleMs = 4000;

// Of the microphone, 0 to 80 in half dB. 20 is the core's default.
constexpr int kMicrophoneGain = 20;

}  // namespace board

#endif
