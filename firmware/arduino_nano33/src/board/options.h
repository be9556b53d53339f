// What may be chosen about the board. The engine is chosen in ../ser/engine_config.h.
#ifndef BOARD_OPTIONS_H_
#define BOARD_OPTIONS_H_

#include <cstdint>

#include "../ser/power_config.h"

// 1: tell each final decision over Bluetooth Low Energy. Needs the library ArduinoBLE.
#ifndef SER_BLE
#define SER_BLE 0
#endif

// 1: let the processor keep a copy of the flash that it is reading (NRF_NVMC->ICACHECNF). The core
// leaves it off; others report 17 to 20 % less time with it.
#ifndef SER_FLASH_CACHE
#define SER_FLASH_CACHE 1
#endif

// 1: the microphone through the core's library PDM, as in the first versions. It hands out the buffer
// that is just being filled. It stays until somebody with a board has compared the two.
#ifndef SER_CORE_PDM
#define SER_CORE_PDM 0
#endif

namespace board {

// The microphone settles for some seconds after it was switched on
// (https://github.com/arduino/ArduinoCore-mbed/issues/674).
constexpr std::uint32_t kSettleMs = 4000;

// Digital gain of the microphone, -20 to 20 dB. The net was trained for 0 (ser_tinyml/sound/
// degrade.py); the core's own default is -10.
constexpr float kMicrophoneGainDb = 0.0f;

}  // namespace board

#endif
