// From one thread to another, which may be slow: the newest counts, and nobody waits.
#ifndef SER_MAILBOX_H_
#define SER_MAILBOX_H_

#include <atomic>
#include <cstdint>

namespace ser {

// Three places: one that is written, one that is read, and one between them. Each side swaps its
// own with the one between, so neither ever waits for the other.
template <typename T>
class Mailbox {
 public:
  // The sender's thread. What nobody has taken yet is dropped.
  void Put(const T& item) {
    items_[writing_] = item;
    const std::uint8_t before = between_.exchange(writing_ | kFresh, std::memory_order_acq_rel);
    writing_ = before & kPlace;
    if ((before & kFresh) != 0) dropped_.fetch_add(1, std::memory_order_relaxed);
  }

  // The receiver's thread: false if nothing is there.
  bool Take(T* item) {
    if ((between_.load(std::memory_order_acquire) & kFresh) == 0) return false;
    reading_ = between_.exchange(reading_, std::memory_order_acq_rel) & kPlace;
    *item = items_[reading_];
    return true;
  }

  std::uint32_t Dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::uint8_t kFresh = 4;
  static constexpr std::uint8_t kPlace = 3;

  T items_[3] = {};
  std::uint8_t writing_ = 0;
  std::uint8_t reading_ = 1;
  std::atomic<std::uint8_t> between_{2};
  std::atomic<std::uint32_t> dropped_{0};
};

}  // namespace ser

#endif
