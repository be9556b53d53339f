// Gate and settings behind a pipe, for Python to be held against.
//
//   settings                -> the numbers of src/model/listening.h, a line each
//   gate SETTINGS < levels  -> floor, event, loud: floats, a frame each; six numbers of GateSettings
//   bands COUNT < bands     -> level, peak: floats, a frame each
//   beginning WAITS < levels -> where the window begins: a float, a frame each
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "model/listening.h"
#include "ser/beginning.h"
#include "ser/gate.h"

using namespace ser;

static float Number(const char* text) { return static_cast<float>(std::atof(text)); }

static void Write(const std::vector<float>& values) {
  if (std::fwrite(values.data(), sizeof(float), values.size(), stdout) != values.size()) {
    std::exit(3);
  }
}

static void Settings() {
  using namespace model;
  std::printf("onset_db %.9g\n", static_cast<double>(kGateOnsetDb));
  std::printf("onset_frames %d\n", kGateOnsetFrames);
  std::printf("release_db %.9g\n", static_cast<double>(kGateReleaseDb));
  std::printf("hangover_frames %d\n", kGateHangoverFrames);
  std::printf("hold_frames %d\n", kGateHoldFrames);
  std::printf("rise_db %.9g\n", static_cast<double>(kGateRiseDb));
  std::printf("smoothing_steps %d\n", kSmoothingSteps);
  std::printf("min_steps %d\n", kMinSteps);
  std::printf("min_voice_frames %d\n", kMinVoiceFrames);
  std::printf("fall_db %.9g\n", static_cast<double>(kFallDb));
  std::printf("min_fallen_frames %d\n", kMinFallenFrames);
  std::printf("voice_db %.9g\n", static_cast<double>(kVoiceDb));
}

int main(int count, char** arguments) {
  if (count < 2) return 1;
  const char* what = arguments[1];
  if (!std::strcmp(what, "settings")) {
    Settings();
    return 0;
  }
  float level;
  if (!std::strcmp(what, "beginning")) {
    Beginning beginning;
    beginning.Restart(std::atoi(arguments[2]) != 0);
    while (std::fread(&level, sizeof(level), 1, stdin) == 1) {
      const int before = beginning.start();
      if (beginning.Push(level) != (beginning.start() != before)) return 4;
      Write({static_cast<float>(beginning.start())});
    }
    return 0;
  }
  if (!std::strcmp(what, "bands")) {
    std::vector<float> bands(static_cast<std::size_t>(std::atoi(arguments[2])));
    const int width = static_cast<int>(bands.size());
    while (std::fread(bands.data(), sizeof(float), bands.size(), stdin) == bands.size()) {
      Write({LevelDb(bands.data(), width), PeakDb(bands.data(), width)});
    }
    return 0;
  }
  if (count < 8 || std::strcmp(what, "gate")) return 1;
  const GateSettings settings = {Number(arguments[2]),    std::atoi(arguments[3]),
                                 Number(arguments[4]),    std::atoi(arguments[5]),
                                 std::atoi(arguments[6]), Number(arguments[7])};
  SpeechGate gate(settings);
  gate.Reset();
  while (std::fread(&level, sizeof(level), 1, stdin) == 1) {
    const float event = static_cast<float>(gate.Push(level));
    Write({gate.floor_db(), event, gate.loud() ? 1.0f : 0.0f});
  }
}
