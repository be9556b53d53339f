// As much of the core's pin names as the sketch calls.
#ifndef FAKE_PIN_DEFINITIONS_H_
#define FAKE_PIN_DEFINITIONS_H_

enum PinName { kFakePin };
PinName digitalPinToPinName(int pin);

#endif
