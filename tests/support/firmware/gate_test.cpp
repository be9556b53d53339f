// The parts that need no model: gate, ring buffer, decisions, what the LED shows.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "ser/decision.h"
#include "ser/gate.h"
#include "ser/ring_buffer.h"

#define CHECK(condition)                                                    \
  do {                                                                      \
    if (!(condition)) {                                                     \
      std::fprintf(stderr, "line %d: expected %s\n", __LINE__, #condition); \
      std::exit(1);                                                         \
    }                                                                       \
  } while (false)

using namespace ser;

namespace {

constexpr GateSettings kSettings = {9.0f, 2, 6.0f, 4, 20, 0.5f};

// Pushes a level some times; gives the last event.
GateEvent Push(SpeechGate* gate, float level, int times) {
  GateEvent event = GateEvent::kQuiet;
  for (int i = 0; i < times; ++i) event = gate->Push(level);
  return event;
}

void OnsetNeedsLoudFramesInARow() {
  SpeechGate gate(kSettings);
  gate.Reset();
  CHECK(Push(&gate, -60.0f, 5) == GateEvent::kQuiet);
  CHECK(gate.Push(-50.0f) == GateEvent::kQuiet);
  CHECK(gate.Push(-60.0f) == GateEvent::kQuiet);
  CHECK(gate.Push(-50.0f) == GateEvent::kQuiet);
  CHECK(gate.Push(-51.0f + 0.1f) == GateEvent::kOnset);
  CHECK(gate.Push(-50.0f) == GateEvent::kSpeech);
}

void ExactlyAtTheThresholdIsNotLoud() {
  SpeechGate gate(kSettings);
  gate.Reset();
  Push(&gate, -60.0f, 3);
  CHECK(Push(&gate, -51.0f, 5) == GateEvent::kQuiet);
}

void APauseShorterThanTheHangoverIsSpeech() {
  SpeechGate gate(kSettings);
  gate.Reset();
  Push(&gate, -60.0f, 5);
  Push(&gate, -40.0f, 5);
  CHECK(Push(&gate, -60.0f, 3) == GateEvent::kSpeech);
  CHECK(gate.Push(-40.0f) == GateEvent::kSpeech);
  CHECK(Push(&gate, -60.0f, 4) == GateEvent::kEnd);
  CHECK(gate.Push(-60.0f) == GateEvent::kQuiet);
}

// A fan that is switched on is speech at first, and then the room.
void SteadyNoiseBecomesTheFloor() {
  SpeechGate gate(kSettings);
  gate.Reset();
  Push(&gate, -60.0f, 5);
  int frames = 0;
  while (gate.Push(-40.0f) != GateEvent::kEnd && frames < 1000) ++frames;
  CHECK(frames > kSettings.hold_frames);
  CHECK(frames < kSettings.hold_frames + 40);
  CHECK(Push(&gate, -40.0f, 500) == GateEvent::kQuiet);
  CHECK(Push(&gate, -25.0f, 2) == GateEvent::kOnset);
}

void AFloorIsHeldBeforeItRises() {
  SpeechGate gate(kSettings);
  gate.Reset();
  gate.Push(-60.0f);
  Push(&gate, -55.0f, kSettings.hold_frames);
  CHECK(gate.floor_db() == -60.0f);
  gate.Push(-55.0f);
  CHECK(gate.floor_db() == -59.5f);
}

void ALevelIsTheSumOfPowers() {
  const float bands[] = {-20.0f, -20.0f};
  const float level = LevelDb(bands, 2);
  CHECK(level > -16.991f && level < -16.988f);
}

void APeakIsTheLoudestOverTheMean() {
  const float bands[] = {-60.0f, -10.0f, -50.0f, -60.0f};
  CHECK(PeakDb(bands, 4) == 35.0f);
  CHECK(PeakDb(bands, 1) == 0.0f);
}

void LoudIsOverTheOnsetEvenInSpeech() {
  SpeechGate gate(kSettings);
  gate.Reset();
  CHECK(!gate.loud());
  Push(&gate, -60.0f, 3);
  Push(&gate, -40.0f, 3);
  CHECK(gate.loud());
  gate.Push(-53.0f);  // speech still, over release_db
  CHECK(gate.speech() && !gate.loud());
  gate.Push(-40.0f);
  gate.Reset();
  CHECK(!gate.loud());
}

void ARingTakesAllOrNothing() {
  static RingBuffer<std::int16_t, 8> ring;
  const std::int16_t in[] = {1, 2, 3, 4, 5, 6};
  std::int16_t out[8] = {};
  CHECK(ring.Write(in, 6));
  CHECK(!ring.Write(in, 3));
  CHECK(ring.Lost() == 3 && ring.Available() == 6 && ring.Room() == 2);
  CHECK(ring.Read(out, 4) == 4 && out[3] == 4);
  CHECK(ring.Write(in, 6));  // around the end
  CHECK(ring.Read(out, 8) == 8 && out[0] == 5 && out[1] == 6 && out[2] == 1 && out[7] == 6);
  CHECK(ring.Read(out, 8) == 0);
  ring.Write(in, 5);
  ring.Discard();
  CHECK(ring.Available() == 0);
}

void TwoThreadsLoseNothingInOrder() {
  constexpr std::uint32_t kCount = 400000;
  static RingBuffer<std::uint32_t, 64> ring;
  std::thread producer([] {
    std::uint32_t next = 0;
    while (next < kCount) {
      const std::uint32_t items[] = {next, next + 1, next + 2};
      if (ring.Write(items, 3)) {
        next += 3;
      } else {
        std::this_thread::yield();
      }
    }
  });
  std::uint32_t expected = 0;
  while (expected < kCount) {
    std::uint32_t items[7];
    const std::size_t count = ring.Read(items, 7);
    if (count == 0) std::this_thread::yield();
    for (std::size_t i = 0; i < count; ++i) CHECK(items[i] == expected++);
  }
  producer.join();
}

std::int8_t Int8(int value) { return static_cast<std::int8_t>(value); }

void DecisionsAreSmoothedAndCanBeUnsure() {
  Decider decider({2, 3, 2, 10.0f, 1});
  decider.Restart();
  decider.Hear(-20.0f, true);
  decider.Hear(-40.0f, false);
  decider.Hear(-20.0f, true);
  const std::int8_t first[model::kLabelCount] = {Int8(127), Int8(-128), Int8(-128)};
  const std::int8_t second[model::kLabelCount] = {Int8(-128), Int8(-128), Int8(127)};
  CHECK(decider.Last().label == kUnsure && decider.Last().steps == 0);
  CHECK(decider.Step(first).label == kUnsure);
  CHECK(decider.Step(first).label == kUnsure);  // too few steps
  const Decision sure = decider.Step(first);
  CHECK(sure.label == 0 && !sure.last && sure.probabilities[0] > 0.99f);
  decider.SetThreshold(0.6f);
  const Decision between = decider.Step(second);
  CHECK(between.probabilities[0] > 0.49f && between.probabilities[0] < 0.51f);
  CHECK(between.label == kUnsure);
  CHECK(decider.Step(second).label == 2);
  CHECK(decider.Last().last);
  decider.Restart();
  CHECK(decider.Step(second).probabilities[2] > 0.99f);
}

void WithoutAVoiceItIsUnsure() {
  Decider decider({1, 1, 2, 10.0f, 1});
  decider.Restart();
  const std::int8_t output[model::kLabelCount] = {Int8(127), Int8(-128), Int8(-128)};
  decider.Hear(-20.0f, true);
  decider.Hear(-30.0f, false);
  CHECK(decider.Step(output).label == kUnsure);
  decider.Hear(-20.0f, true);
  const Decision sure = decider.Step(output);
  CHECK(sure.label == 0 && sure.voice_frames == 2);
  CHECK(decider.Last().label == 0);
  decider.Restart();
  CHECK(decider.Step(output).label == kUnsure && decider.Last().voice_frames == 0);
}

void WhatIsSteadyIsNoVoice() {
  Decider decider({1, 1, 1, 10.0f, 2});
  decider.Restart();
  const std::int8_t output[model::kLabelCount] = {Int8(127), Int8(-128), Int8(-128)};
  for (int i = 0; i < 90; ++i) decider.Hear(i % 2 == 0 ? -20.0f : -29.9f, true);
  CHECK(decider.Step(output).label == kUnsure && decider.Last().voice_frames == 0);
  decider.Hear(-30.0f, false);
  CHECK(decider.Step(output).label == kUnsure);
  decider.Hear(-30.0f, false);
  CHECK(decider.Step(output).label == 0 && decider.Last().voice_frames == 90);
  decider.Restart();
  decider.Hear(-50.0f, true);  // the loudest of this window
  decider.Hear(-60.0f, true);
  decider.Hear(-59.0f, true);
  CHECK(decider.Step(output).label == kUnsure);
}

void TheThresholdIsTheModels() {
  CHECK(Decider({1, 1, 1, 1.0f, 1}).threshold() == model::kUnsureThreshold);
}

void TheDisplayHolds() {
  Display display(1000);
  Decision decision = {0, false, 5, 9, {}};
  display.Take(decision, 0);
  CHECK(display.label(999) == 0);
  decision.label = 1;
  display.Take(decision, 500);  // another label has to wait
  CHECK(display.label(999) == 0);
  CHECK(display.label(1000) == kUnsure);
  display.Take(decision, 1100);
  CHECK(display.label(1200) == 1);
  decision = {2, true, 9, 9, {}};
  display.Take(decision, 1300);  // but not the last word
  CHECK(display.label(1300) == 2);
  decision.label = kUnsure;
  display.Take(decision, 1400);
  CHECK(display.label(1400) == kUnsure);
}

void EveryLabelHasAColour() {
  for (int i = 0; i < model::kLabelCount; ++i) CHECK(ColourOf(i) != Colour::kOff);
  CHECK(ColourOf(kUnsure) == Colour::kOff && ColourOf(model::kLabelCount) == Colour::kOff);
}

}  // namespace

int main() {
  OnsetNeedsLoudFramesInARow();
  ExactlyAtTheThresholdIsNotLoud();
  APauseShorterThanTheHangoverIsSpeech();
  SteadyNoiseBecomesTheFloor();
  AFloorIsHeldBeforeItRises();
  ALevelIsTheSumOfPowers();
  APeakIsTheLoudestOverTheMean();
  LoudIsOverTheOnsetEvenInSpeech();
  ARingTakesAllOrNothing();
  TwoThreadsLoseNothingInOrder();
  DecisionsAreSmoothedAndCanBeUnsure();
  WithoutAVoiceItIsUnsure();
  WhatIsSteadyIsNoVoice();
  TheThresholdIsTheModels();
  TheDisplayHolds();
  EveryLabelHasAColour();
}
