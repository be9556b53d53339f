// As much of mbed's threads as the sketch calls, with threads of this computer.
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

}  // namespace rtos

#endif
