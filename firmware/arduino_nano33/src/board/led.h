// The RGB LED tells the emotion, the orange one whether somebody speaks.
#ifndef BOARD_LED_H_
#define BOARD_LED_H_

#include <cstdint>

#include "../ser/device.h"

namespace board {

void BeginLed();
void ShowLed(const ser::LedState& state, std::uint32_t now_ms);

}  // namespace board

#endif
