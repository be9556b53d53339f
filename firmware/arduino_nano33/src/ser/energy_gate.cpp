#include "energy_gate.h"

#include "features.h"

// The core compiles for size; here time counts.
#ifndef __clang__
#pragma GCC optimize("O2")
#endif

namespace ser {
namespace {

// Less than the 9 dB of the gate of speech, and two seconds of patience: what ends for this gate has
// mostly ended for the other.
GateSettings SettingsFor(std::uint32_t block_ms) {
  const int second = static_cast<int>(1000 / block_ms);
  return {4.0f, 1, 3.0f, 2 * second, 8 * second, 3.0f / static_cast<float>(second)};
}

// Power of the samples' changes: what is low, as the hum of a room and an offset, counts little.
float ChangeDb(const std::int16_t* samples, std::size_t count, std::int32_t* last) {
  std::uint64_t power = 0;
  std::int32_t before = *last;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t change = samples[i] - before;
    before = samples[i];
    power += static_cast<std::uint64_t>(static_cast<std::int64_t>(change) * change);
  }
  *last = before;
  return Decibels((static_cast<float>(power) + 1.0f) / static_cast<float>(count));
}

}  // namespace

EnergyGate::EnergyGate(std::uint32_t block_ms)
    : gate_(SettingsFor(block_ms)), starting_(static_cast<int>(kStartMs / block_ms)) {
  gate_.Reset();
}

bool EnergyGate::Push(const std::int16_t* samples, std::size_t count) {
  gate_.Push(ChangeDb(samples, count, &last_));
  if (starting_ > 0) --starting_;
  const bool before = awake_;
  awake_ = starting_ > 0 || gate_.speech();
  if (awake_ && !before) woke_ = true;
  if (awake_) return true;
  for (std::size_t i = 0; i < count; ++i) {
    kept_[(first_ + count_) % kKept] = samples[i];
    if (count_ < kKept) {
      ++count_;
    } else {
      first_ = (first_ + 1) % kKept;
    }
  }
  return false;
}

bool EnergyGate::Woke() {
  const bool woke = woke_;
  woke_ = false;
  return woke;
}

std::size_t EnergyGate::TakeKept(std::int16_t* samples, std::size_t count) {
  if (count > count_) count = count_;
  for (std::size_t i = 0; i < count; ++i) samples[i] = kept_[(first_ + i) % kKept];
  first_ = (first_ + count) % kKept;
  count_ -= count;
  return count;
}

}  // namespace ser
