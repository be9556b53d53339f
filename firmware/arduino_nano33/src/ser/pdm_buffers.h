// Whose turn it is with the buffers that a PDM microphone's DMA fills.
#ifndef SER_PDM_BUFFERS_H_
#define SER_PDM_BUFFERS_H_

#include <cstddef>
#include <cstdint>

namespace ser {

// The peripheral takes the address that it was last given whenever a buffer is full, and says so by
// an interrupt. From then on the buffer before is complete, until the peripheral is given its
// address again and that one's turn comes. An interrupt that comes a whole turn late finds the same
// buffer being filled a second time: then nothing that was counted is true any more, and the
// transfer has to begin anew.
class PdmBuffers {
 public:
  static constexpr std::size_t kSamples = 256;      // of a buffer
  static constexpr std::uint32_t kTurnUs = 16000;    // that it takes, at 16 kHz
  static constexpr std::uint32_t kReserveUs = 1000;  // to give an address before its turn comes
  static constexpr std::uint32_t kLateUs = 2000;     // after its turn began, an interrupt is late

  struct Turn {
    const std::int16_t* finished;  // kSamples to be taken before this interrupt ends; or null
    std::int16_t* next;            // to be given to the peripheral
    std::uint32_t lost;            // samples that nobody will see
    bool late;
    bool again;  // the transfer has to begin anew, with First()
  };

  // To be given to the peripheral before the transfer begins.
  std::int16_t* First() {
    filling_ = -1;
    return buffers_[0];
  }

  // From the interrupt: the peripheral has begun to fill the buffer that it was given last.
  Turn Started(std::uint32_t now_us) {
    if (filling_ < 0) {
      filling_ = 0;
      began_us_ = now_us;
      return {nullptr, buffers_[1], 0, false, false};
    }
    began_us_ += kTurnUs;  // of this turn; peripheral and clock run from one crystal
    const std::uint32_t late_us = now_us - began_us_;
    const std::int16_t* const finished = buffers_[filling_];
    // Less than nothing: the first interrupt was late itself, and the turns begin earlier.
    if (static_cast<std::int32_t>(late_us) < 0) began_us_ = now_us;
    if (static_cast<std::int32_t>(late_us) >= static_cast<std::int32_t>(kTurnUs - kReserveUs)) {
      filling_ = -1;
      const std::uint32_t turns = 1 + (late_us + kReserveUs) / kTurnUs;
      return {finished, buffers_[0], turns * std::uint32_t{kSamples}, true, true};
    }
    filling_ = 1 - filling_;
    const bool late = static_cast<std::int32_t>(late_us) > static_cast<std::int32_t>(kLateUs);
    return {finished, buffers_[1 - filling_], 0, late, false};
  }

 private:
  int filling_ = -1;  // the buffer that the peripheral fills; -1: none yet
  std::uint32_t began_us_ = 0;
  alignas(4) std::int16_t buffers_[2][kSamples];
};

}  // namespace ser

#endif
