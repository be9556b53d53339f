#include "serial_port.h"

#include <Arduino.h>
#include <mbed.h>

#include "../ser/usb_packet.h"
#include "system.h"

namespace board {
namespace {

constexpr std::uint32_t kStackSize = 2048;

ser::Device* device = nullptr;
bool connected = false;
alignas(8) unsigned char stack[kStackSize];
rtos::Thread writer(osPriorityAboveNormal, kStackSize, stack, "serial");

// Serial.write waits until the host has taken the bytes, and a host may take its time: a thread of
// its own does the waiting. It runs when a packet has gone, for some microseconds.
void Write() {
  const auto take = [](std::uint8_t* bytes, std::size_t count) {
    return device->TakeBytes(bytes, count);
  };
  const auto write = [](const std::uint8_t* bytes, std::size_t count) {
    Serial.write(bytes, count);  // does nothing when nobody listens
  };
  for (;;) {
    if (!ser::SendPacket(take, write)) {
      rtos::ThisThread::sleep_for(std::chrono::milliseconds(2));
    }
  }
}

}  // namespace

void BeginSerial(ser::Device* of) {
  device = of;
  if (!HasUsb()) return;  // and no thread wakes to look
  Serial.begin(115200);  // of no meaning to USB
  writer.start(Write);
}

void ReceiveSerial() {
  if (!HasUsb()) return;
  const bool now = Serial;  // sleeps for a millisecond
  if (connected && !now) device->Disconnected();
  connected = now;
  std::uint8_t bytes[ser::Device::kMostReceived];
  std::size_t count = 0;
  if (!device->WantsBytes()) return;
  while (count < sizeof(bytes) && Serial.available() > 0) {
    bytes[count++] = static_cast<std::uint8_t>(Serial.read());
  }
  if (count > 0 && connected) device->Receive(bytes, count);
}

}  // namespace board
