// A recording through the listener: what it says, a line each.
//
//   listener_test live|clip|whole CHUNK < samples
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "ser/listener.h"

using namespace ser;

namespace {

std::uint32_t clock_us = 0;
std::uint32_t Microseconds() { return clock_us += 7; }

class Printer final : public ListenerSink {
 public:
  void OnFrame(const FrameResult& result) override {
    std::printf("frame %u %d %a\n", static_cast<unsigned>(result.frame),
                static_cast<int>(result.gate), static_cast<double>(result.level_db));
  }
  void OnStep(const StepResult& result) override {
    std::printf("step %d %u %d", result.step, static_cast<unsigned>(result.frame),
                model::kInputCount);
    for (int i = 0; i < model::kInputCount; ++i) {
      std::printf(" %a", static_cast<double>(result.features[i]));
    }
    for (int i = 0; i < model::kInputCount; ++i) std::printf(" %d", result.input[i]);
    for (int i = 0; i < model::kLabelCount; ++i) std::printf(" %d", result.output[i]);
    std::printf("\n");
    if (result.features_us == 0 || result.engine_us == 0) std::exit(4);
  }
  void OnDecision(const Decision& decision) override {
    std::printf("decision %d %d %d %d", decision.label, decision.last ? 1 : 0, decision.steps,
                decision.voice_frames);
    for (int i = 0; i < model::kLabelCount; ++i) {
      std::printf(" %a", static_cast<double>(decision.probabilities[i]));
    }
    std::printf("\n");
  }
  void OnFailure(Status status) override {
    std::fprintf(stderr, "%s\n", StatusName(status));
    std::exit(2);
  }
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 3;
  static Printer printer;
  static Listener listener(Microseconds, &printer);
  if (listener.Begin() != Status::kOk) return 2;
  const bool live = std::strcmp(arguments[1], "live") == 0;
  const bool clip = std::strcmp(arguments[1], "clip") == 0;
  listener.Restart(live ? ListenMode::kLive : clip ? ListenMode::kClip : ListenMode::kWholeClip);
  std::vector<std::int16_t> samples(1 << 22);
  samples.resize(std::fread(samples.data(), 2, samples.size(), stdin));
  const std::size_t chunk = static_cast<std::size_t>(std::atoi(arguments[2]));
  for (std::size_t i = 0; i < samples.size(); i += chunk) {
    // A copy of its own, so that reading beyond it is found.
    const std::vector<std::int16_t> part(
        samples.begin() + static_cast<std::ptrdiff_t>(i),
        samples.begin() + static_cast<std::ptrdiff_t>(std::min(i + chunk, samples.size())));
    listener.Push(part.data(), part.size());
  }
  if (!live) {
    listener.CompleteWindow();
    while (listener.PushSilence()) {
    }
    std::printf("onset %d\n", static_cast<int>(listener.onset()));
  }
}
