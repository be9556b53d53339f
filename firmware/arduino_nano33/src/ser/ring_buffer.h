// From one producer (an interrupt, say) to one consumer, without a lock.
#ifndef SER_RING_BUFFER_H_
#define SER_RING_BUFFER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ser {

template <typename T, std::size_t kCapacity>
class RingBuffer {
  static_assert((kCapacity & (kCapacity - 1)) == 0, "the capacity must be a power of two");

 public:
  // Producer: takes all of it or nothing, so that what is in the buffer is without gaps. What it
  // does not take is counted.
  bool Write(const T* items, std::size_t count) {
    const std::uint32_t head = head_.load(std::memory_order_relaxed);
    if (count > kCapacity - (head - tail_.load(std::memory_order_acquire))) {
      Lose(static_cast<std::uint32_t>(count));
      return false;
    }
    const std::size_t start = head % kCapacity;
    const std::size_t first = count < kCapacity - start ? count : kCapacity - start;
    std::memcpy(items_ + start, items, first * sizeof(T));
    std::memcpy(items_, items + first, (count - first) * sizeof(T));
    head_.store(head + static_cast<std::uint32_t>(count), std::memory_order_release);
    return true;
  }

  // Producer: counts what never came.
  void Lose(std::uint32_t count) {
    lost_.store(lost_.load(std::memory_order_relaxed) + count, std::memory_order_release);
  }

  // Consumer: gives at most `count` items, and how many they are.
  std::size_t Read(T* items, std::size_t count) {
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
    const std::size_t there = head_.load(std::memory_order_acquire) - tail;
    if (count > there) count = there;
    const std::size_t start = tail % kCapacity;
    const std::size_t first = count < kCapacity - start ? count : kCapacity - start;
    std::memcpy(items, items_ + start, first * sizeof(T));
    std::memcpy(items + first, items_, (count - first) * sizeof(T));
    tail_.store(tail + static_cast<std::uint32_t>(count), std::memory_order_release);
    return count;
  }

  // Consumer: forgets what is there.
  void Discard() {
    tail_.store(head_.load(std::memory_order_acquire), std::memory_order_release);
  }

  std::size_t Available() const {
    return head_.load(std::memory_order_acquire) - tail_.load(std::memory_order_acquire);
  }
  std::size_t Room() const { return kCapacity - Available(); }
  std::uint32_t Lost() const { return lost_.load(std::memory_order_acquire); }  // items

 private:
  T items_[kCapacity];
  std::atomic<std::uint32_t> head_{0};  // written so far, wraps around
  std::atomic<std::uint32_t> tail_{0};  // read so far
  std::atomic<std::uint32_t> lost_{0};
};

}  // namespace ser

#endif
