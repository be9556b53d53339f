// Whether sound is worth a Fourier transform, for a device that has to save power.
#ifndef SER_ENERGY_GATE_H_
#define SER_ENERGY_GATE_H_

#include <cstddef>
#include <cstdint>

#include "gate.h"

namespace ser {

// Hears how loud sound is from its samples alone, some 18 cycles a sample (emulated), and keeps
// the last quarter of a second. It wakes for less than the gate of speech asks for, so that this one still
// decides: then what was kept is to be heard first.
class EnergyGate {
 public:
  static constexpr std::size_t kKept = 4096;  // samples
  static constexpr std::size_t kMost = 512;   // that Push takes at once

  // `block_ms`: how long what Push takes usually is.
  explicit EnergyGate(std::uint32_t block_ms);

  // Takes the next samples. True if they are to be heard.
  bool Push(const std::int16_t* samples, std::size_t count);

  // True once when it has just woken: then Kept samples come before those of the last Push.
  bool Woke();

  // The oldest samples that are kept, at most `count`; they are forgotten.
  std::size_t TakeKept(std::int16_t* samples, std::size_t count);

  // What is kept was heard otherwise.
  void Forget() { count_ = 0; }

  // All is heard from now on, whatever Push says. True if it slept.
  bool Wake() {
    const bool slept = !awake_;
    awake_ = true;
    Forget();
    return slept;
  }

  bool awake() const { return awake_; }

 private:
  static constexpr std::uint32_t kStartMs = 2000;

  SpeechGate gate_;
  int starting_;  // blocks that are heard until the floor of noise is known
  bool awake_ = true;
  bool woke_ = false;
  std::int32_t last_ = 0;  // sample
  std::size_t first_ = 0;  // of the kept ones
  std::size_t count_ = 0;
  std::int16_t kept_[kKept];
};

}  // namespace ser

#endif
