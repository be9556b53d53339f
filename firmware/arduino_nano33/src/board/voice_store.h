// Where the board keeps who is enrolled: the last page of its flash, far beyond this sketch.
#ifndef BOARD_VOICE_STORE_H_
#define BOARD_VOICE_STORE_H_

#include "../ser/enrolment.h"

namespace board {

// To write takes a tenth of a second, in which the processor stands still.
extern const ser::VoiceStore kVoiceStore;

}  // namespace board

#endif
