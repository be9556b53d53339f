// As much of mbed as the sketch calls; its threads are threads of this computer.
#ifndef FAKE_MBED_H_
#define FAKE_MBED_H_

#include <chrono>
#include <cstdint>
#include <thread>

enum { osPriorityBelowNormal, osPriorityAboveNormal };

namespace rtos {

class Thread {
 public:
  Thread(int, std::uint32_t, unsigned char*, const char*) {}
  void start(void (*body)()) { std::thread(body).detach(); }
};

namespace ThisThread {
inline void sleep_for(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }
}  // namespace ThisThread

class Semaphore {
 public:
  Semaphore(std::int32_t count, std::uint16_t most);
  bool try_acquire_for(std::chrono::milliseconds time);
  int release();
};

}  // namespace rtos

namespace mbed {

class Ticker {
 public:
  void attach(void (*call)(), std::chrono::microseconds every);
};

}  // namespace mbed

#endif
