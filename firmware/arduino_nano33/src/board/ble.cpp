#include "ble.h"

#include "options.h"

#if SER_BLE

#include <ArduinoBLE.h>

#include "../model/labels.h"

namespace board {
namespace {

BLEService service("5e70a000-8f3b-4c41-9a26-7e1d3c5b2f60");
BLEStringCharacteristic label("5e70a001-8f3b-4c41-9a26-7e1d3c5b2f60", BLERead | BLENotify, 20);
// A byte a label, in their order: hundredths.
BLECharacteristic probabilities("5e70a002-8f3b-4c41-9a26-7e1d3c5b2f60", BLERead | BLENotify,
                                ser::model::kLabelCount, true);
bool started = false;
std::uint32_t told_number = 0;

}  // namespace

void BeginBle(ser::Device* device) {
  started = BLE.begin();
  if (!started) {
    device->Warn("Bluetooth does not start");
    return;
  }
  BLE.setLocalName("ser-tinyml");
  BLE.setAdvertisedService(service);
  service.addCharacteristic(label);
  service.addCharacteristic(probabilities);
  BLE.addService(service);
  BLE.advertise();
}

void TellBle(const ser::Device::Told& told) {
  if (!started) return;
  BLE.poll();
  if (told.number == told_number) return;
  told_number = told.number;
  std::uint8_t hundredths[ser::model::kLabelCount];
  for (int i = 0; i < ser::model::kLabelCount; ++i) {
    hundredths[i] = static_cast<std::uint8_t>(100.0f * told.decision.probabilities[i] + 0.5f);
  }
  label.writeValue(ser::LabelName(told.decision.label));
  probabilities.writeValue(hundredths, sizeof(hundredths));
}

}  // namespace board

#else

namespace board {

void BeginBle(ser::Device*) {}
void TellBle(const ser::Device::Told&) {}

}  // namespace board

#endif
