// As much of ArduinoBLE as the sketch calls. A phone may walk away: then writeValue never returns.
#ifndef FAKE_ARDUINO_BLE_H_
#define FAKE_ARDUINO_BLE_H_

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

enum { BLERead = 2, BLENotify = 16 };

struct FakePhone {
  std::atomic<bool> away{false};
  std::atomic<int> begun{0};
  std::atomic<int> notified{0};
  void Wait() {
    while (away) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
};
extern FakePhone phone;
extern std::string last_label;

struct BLEService {
  explicit BLEService(const char*) {}
  template <typename T>
  void addCharacteristic(T&) {}
};

struct BLEStringCharacteristic {
  BLEStringCharacteristic(const char*, int, int) {}
  void writeValue(const char* text) {
    phone.Wait();
    last_label = text;
  }
};

struct BLECharacteristic {
  BLECharacteristic(const char*, int, int, bool) {}
  void writeValue(const unsigned char*, int) {
    phone.Wait();
    ++phone.notified;
  }
};

struct FakeBle {
  bool begin() {
    phone.Wait();
    ++phone.begun;
    return true;
  }
  void setLocalName(const char*) {}
  void setAdvertisedService(BLEService&) {}
  void addService(BLEService&) {}
  bool advertise() { return true; }
  void poll() { phone.Wait(); }
};
extern FakeBle BLE;

#endif
