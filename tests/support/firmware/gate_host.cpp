// Gate and settings behind a pipe, for Python to be held against.
//
//   settings ONSET_DB ONSET_FRAMES FRAME_RATE STACK STEPS -> the device's settings, a line each
//   gate ONSET_DB ONSET_FRAMES FRAME_RATE < levels        -> floor, event, loud: floats, a frame each
//   bands COUNT < bands                                   -> level, peak: floats, a frame each
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "ser/decision.h"
#include "ser/gate.h"

using namespace ser;

static float Number(const char* text) { return static_cast<float>(std::atof(text)); }

static void Write(const std::vector<float>& values) {
  if (std::fwrite(values.data(), sizeof(float), values.size(), stdout) != values.size()) {
    std::exit(3);
  }
}

static void Settings(const GateSettings& gate, const DeciderSettings& decider) {
  std::printf("onset_db %.9g\n", static_cast<double>(gate.onset_db));
  std::printf("onset_frames %d\n", gate.onset_frames);
  std::printf("release_db %.9g\n", static_cast<double>(gate.release_db));
  std::printf("hangover_frames %d\n", gate.hangover_frames);
  std::printf("hold_frames %d\n", gate.hold_frames);
  std::printf("rise_db %.9g\n", static_cast<double>(gate.rise_db));
  std::printf("smoothing_steps %d\n", decider.smoothing_steps);
  std::printf("min_steps %d\n", decider.min_steps);
  std::printf("min_voice_frames %d\n", decider.min_voice_frames);
  std::printf("fall_db %.9g\n", static_cast<double>(decider.fall_db));
  std::printf("min_fallen_frames %d\n", decider.min_fallen_frames);
  std::printf("voice_db %.9g\n", static_cast<double>(kVoiceDb));
  std::printf("threshold %.9g\n", static_cast<double>(Decider(decider).threshold()));
}

int main(int count, char** arguments) {
  if (count < 3) return 1;
  const char* what = arguments[1];
  if (!std::strcmp(what, "bands")) {
    std::vector<float> bands(static_cast<std::size_t>(std::atoi(arguments[2])));
    const int width = static_cast<int>(bands.size());
    while (std::fread(bands.data(), sizeof(float), bands.size(), stdin) == bands.size()) {
      Write({LevelDb(bands.data(), width), PeakDb(bands.data(), width)});
    }
    return 0;
  }
  if (count < 5) return 1;
  const GateSettings settings =
      DeviceGate(Number(arguments[2]), std::atoi(arguments[3]), Number(arguments[4]));
  if (!std::strcmp(what, "settings") && count == 7) {
    Settings(settings, DeviceDecider(Number(arguments[4]), std::atoi(arguments[5]),
                                     std::atoi(arguments[6])));
    return 0;
  }
  if (std::strcmp(what, "gate")) return 1;
  SpeechGate gate(settings);
  gate.Reset();
  float level;
  while (std::fread(&level, sizeof(level), 1, stdin) == 1) {
    const float event = static_cast<float>(gate.Push(level));
    Write({gate.floor_db(), event, gate.loud() ? 1.0f : 0.0f});
  }
}
