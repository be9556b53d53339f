#include "ble.h"

#include "options.h"

#if SER_BLE

#include <ArduinoBLE.h>
#include <mbed.h>

#include "../model/labels.h"
#include "../ser/mailbox.h"

namespace board {
namespace {

constexpr std::uint32_t kStackSize = 4096;
constexpr std::uint32_t kPollMs = 20;

BLEService service("5e70a000-8f3b-4c41-9a26-7e1d3c5b2f60");
BLEStringCharacteristic label("5e70a001-8f3b-4c41-9a26-7e1d3c5b2f60", BLERead | BLENotify, 20);
// A byte a label, in their order: hundredths.
BLECharacteristic probabilities("5e70a002-8f3b-4c41-9a26-7e1d3c5b2f60", BLERead | BLENotify,
                                ser::model::kLabelCount, true);

enum class Radio : std::uint8_t { kStarting, kRuns, kFailed };

// The library waits until a phone has taken what was sent, which a phone that was carried away never
// does. So it has a thread of its own, and nothing but the newest decision waits for it.
ser::Mailbox<ser::Decision> newest;
std::atomic<Radio> radio{Radio::kStarting};
alignas(8) unsigned char stack[kStackSize];
rtos::Thread sender(osPriorityBelowNormal, kStackSize, stack, "ble");

ser::Device* device = nullptr;
std::uint32_t told_number = 0;
bool warned = false;

bool Advertise() {
  if (!BLE.begin()) return false;
  BLE.setLocalName("ser-tinyml");
  BLE.setAdvertisedService(service);
  service.addCharacteristic(label);
  service.addCharacteristic(probabilities);
  BLE.addService(service);
  return BLE.advertise();
}

void Notify(const ser::Decision& decision) {
  std::uint8_t hundredths[ser::model::kLabelCount];
  for (int i = 0; i < ser::model::kLabelCount; ++i) {
    hundredths[i] = static_cast<std::uint8_t>(100.0f * decision.probabilities[i] + 0.5f);
  }
  label.writeValue(ser::LabelName(decision.label));
  probabilities.writeValue(hundredths, sizeof(hundredths));
}

void Send() {
  radio = Advertise() ? Radio::kRuns : Radio::kFailed;
  if (radio == Radio::kFailed) return;
  for (;;) {
    BLE.poll();
    ser::Decision decision;
    if (newest.Take(&decision)) Notify(decision);
    rtos::ThisThread::sleep_for(std::chrono::milliseconds(kPollMs));
  }
}

}  // namespace

void BeginBle(ser::Device* of) {
  device = of;
  sender.start(Send);
}

void TellBle(const ser::Device::Told& told) {
  if (device == nullptr) return;
  if (radio == Radio::kFailed && !warned) {
    warned = true;
    device->Warn("Bluetooth does not start");
  }
  if (told.number == told_number) return;
  told_number = told.number;
  newest.Put(told.decision);
}

}  // namespace board

#else

namespace board {

void BeginBle(ser::Device*) {}
void TellBle(const ser::Device::Told&) {}

}  // namespace board

#endif
