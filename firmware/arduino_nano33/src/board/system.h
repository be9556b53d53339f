// Of the processor: why it started, its cache, and the dog that watches the loop.
#ifndef BOARD_SYSTEM_H_
#define BOARD_SYSTEM_H_

namespace board {

// "power", "pin", "watchdog", "loop stuck", "software" or "lockup".
const char* ResetReason();

// Switches the flash cache on if options.h says so.
void BeginCache();

// From now on the board starts again when KickWatchdog is not called for some seconds.
void BeginWatchdog();
void KickWatchdog();

}  // namespace board

#endif
