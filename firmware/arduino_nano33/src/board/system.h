// Of the processor: why it started, its cache, and the dog that watches the loop.
#ifndef BOARD_SYSTEM_H_
#define BOARD_SYSTEM_H_

#include <cstdint>

namespace board {

// "power", "pin", "watchdog", "loop stuck", "software" or "lockup".
const char* ResetReason();

// Switches the flash cache on if options.h says so.
void BeginCache();

// What a build that saves power does at once: DC/DC converter on; sensors, their bus and the light
// of the board off; USB off unless its socket has a voltage. Otherwise nothing.
void SavePower();

// False after SavePower has switched USB off.
bool HasUsb();

// Until the microphone has brought a buffer, or for a tenth of a second; one millisecond in a build
// that does not save power.
void WaitForSound();

// From the microphone's interrupt.
void SoundCame();

// Cycles that the processor was awake, of its own counter, which stands still while it sleeps.
void BeginCycles();
std::uint32_t Cycles();

// From now on the board starts again when KickWatchdog is not called for some seconds.
void BeginWatchdog();
void KickWatchdog();

}  // namespace board

#endif
