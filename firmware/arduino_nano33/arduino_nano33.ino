// It hears how you speak: emotion from speech on an Arduino Nano 33 BLE Sense.
//
// The microphone's interrupt hands sound to the device in src/ser, which keeps it in a ring buffer;
// loop() lets the device work through it, a chunk at a time. The device is the same code as in the
// tests and in the virtual board. src/board is all that knows this board, src/model is generated
// from the trained model. Choices: src/board/options.h, src/ser/engine_config.h and
// src/ser/power_config.h. The rest is in README.md of firmware/arduino_nano33 in the repository.

#include "src/board/ble.h"
#include "src/board/led.h"
#include "src/board/microphone.h"
#include "src/board/options.h"
#include "src/board/serial_port.h"
#include "src/board/system.h"
#include "src/ser/device.h"

static uint32_t Microseconds() { return micros(); }

static ser::Device device(Microseconds, {"Arduino Nano 33 BLE Sense", board::ResetReason(),
                                         board::kSettleMs, board::Cycles});

void setup() {
  board::BeginLed();
  board::BeginCache();
  board::BeginCycles();
  board::SavePower();
  board::BeginSerial(&device);
  const bool runs = device.Begin() == ser::Status::kOk;
  board::BeginWatchdog();  // before anything that may never come back
  if (runs) board::BeginMicrophone(&device);
  if (runs) board::BeginBle(&device);
}

void loop() {
  board::KickWatchdog();
  board::ReceiveSerial();
  const bool worked = device.Poll();
  board::WatchMicrophone(millis());
  board::ShowLed(device.led(), millis());
  board::TellBle(device.told());
  if (!worked) board::WaitForSound();  // the processor sleeps
}
