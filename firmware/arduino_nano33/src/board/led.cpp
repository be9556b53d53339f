#include "led.h"

#include <Arduino.h>

#include "options.h"

namespace board {
namespace {

constexpr std::uint32_t kBlinkMs = 400;    // on and off of one blink of a fault
constexpr std::uint32_t kPauseMs = 1200;   // between two tellings of a fault
constexpr std::uint32_t kOrangeMs = 250;   // orange on, orange off while settling

// Whether red is on at this time of a blink code.
bool BlinkIsOn(int blinks, std::uint32_t now_ms) {
  const std::uint32_t round = static_cast<std::uint32_t>(blinks) * kBlinkMs + kPauseMs;
  const std::uint32_t at = now_ms % round;
  return at < static_cast<std::uint32_t>(blinks) * kBlinkMs && at % kBlinkMs < kBlinkMs / 2;
}

void WriteColour(int bits) {  // these three light up when low
  digitalWrite(LEDR, bits & 1 ? LOW : HIGH);
  digitalWrite(LEDG, bits & 2 ? LOW : HIGH);
  digitalWrite(LEDB, bits & 4 ? LOW : HIGH);
}

}  // namespace

void BeginLed() {
  pinMode(LEDR, OUTPUT);
  pinMode(LEDG, OUTPUT);
  pinMode(LEDB, OUTPUT);
  pinMode(LED_BUILTIN, OUTPUT);
  WriteColour(0);
}

void ShowLed(const ser::LedState& state, std::uint32_t now_ms) {
  if (state.blink_code > 0) {
    WriteColour(BlinkIsOn(state.blink_code, now_ms) ? 1 : 0);
    digitalWrite(LED_BUILTIN, LOW);
    return;
  }
#if SER_LOW_POWER
  WriteColour(0);  // a light takes more than all the rest: only faults are shown
  digitalWrite(LED_BUILTIN, LOW);
#else
  WriteColour(static_cast<int>(state.colour));
  const bool orange = state.settling ? now_ms / kOrangeMs % 2 == 0 : state.speech;
  digitalWrite(LED_BUILTIN, orange ? HIGH : LOW);
#endif
}

}  // namespace board
