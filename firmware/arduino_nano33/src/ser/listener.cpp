#include "listener.h"

#include <cmath>
#include <cstring>

#include "../model/listening.h"

namespace ser {
namespace {

using model::kHopLength;
using model::kWindowLength;

static_assert(kHopLength <= kWindowLength, "samples between the windows would be skipped");

constexpr GateSettings kGate = {model::kGateOnsetDb,        model::kGateOnsetFrames,
                                model::kGateReleaseDb,      model::kGateHangoverFrames,
                                model::kGateHoldFrames,     model::kGateRiseDb};

constexpr DeciderSettings kDecider = {model::kSmoothingSteps, model::kMinSteps,
                                      model::kMinVoiceFrames, model::kFallDb,
                                      model::kMinFallenFrames};

static_assert(kDecider.smoothing_steps <= Decider::kMostSmoothing, "more steps than are kept");

}  // namespace

Listener::Listener(Clock clock, ListenerSink* sink)
    : clock_(clock), sink_(sink), gate_(kGate), decider_(kDecider) {}

void Listener::Restart(ListenMode mode) {
  mode_ = mode;
  gate_.Reset();
  StartOver();
}

void Listener::Interrupt() {
  gate_.Interrupt();
  StartOver();
}

void Listener::StartOver() {
  tracker_.Restart();
  window_open_ = false;
  clip_done_ = false;
  frames_ = 0;
  onset_ = -1;
  steps_ = 0;
  filled_ = 0;
}

void Listener::Push(const std::int16_t* samples, std::size_t count) {
  while (count > 0) {
    const std::size_t wanted = kWindowLength - filled_;
    const std::size_t taken = count < wanted ? count : wanted;
    std::memcpy(window_ + filled_, samples, taken * sizeof(*samples));
    filled_ += taken;
    samples += taken;
    count -= taken;
    if (filled_ < kWindowLength) return;
    const std::uint32_t began_us = clock_();
    float* bands = history_[frames_ % kHistory];
    extractor_.LogMel(window_, bands);
    if (model::kHasPitch) pitches_[frames_ % kHistory] = tracker_.Push(extractor_.power());
    filled_ = kWindowLength - kHopLength;
    std::memmove(window_, window_ + kHopLength, filled_ * sizeof(*window_));
    Frame(bands, began_us);
  }
}

void Listener::CompleteWindow() {
  if (frames_ > 0 || filled_ == 0) return;
  static const std::int16_t kSilence[64] = {};
  while (frames_ == 0) {
    const std::size_t missing = kWindowLength - filled_;
    Push(kSilence, missing < 64 ? missing : 64);
  }
}

bool Listener::PushSilence() {
  if (!window_open_) return false;
  float* bands = history_[frames_ % kHistory];
  const float empty = 10.0f * std::log10(model::kPowerFloor);
  for (int i = 0; i < model::kMelCount; ++i) bands[i] = empty;
  pitches_[frames_ % kHistory] = {};
  Take(frames_++, bands, clock_());
  return window_open_;
}

void Listener::Frame(const float* bands, std::uint32_t began_us) {
  const std::uint32_t frame = frames_++;
  const float level_db = extractor_.level_db();
  levels_[frame % kHistory] = level_db;
  const GateEvent event = gate_.Push(level_db);
  sink_->OnFrame({frame, level_db, gate_.floor_db(), event});
  if (window_open_) {
    if (Follows() && beginning_.Push(level_db)) {
      StartAt(opened_ + static_cast<std::uint32_t>(beginning_.start()));
      Hear(level_db, bands);
      TakeFrom(static_cast<std::uint32_t>(onset_), began_us);
    } else {
      Hear(level_db, bands);
      Take(frame, bands, began_us);
    }
    if (mode_ == ListenMode::kLive && window_open_ && event == GateEvent::kEnd) CloseWindow();
    return;
  }
  if (clip_done_) return;
  if (mode_ == ListenMode::kLive && event != GateEvent::kOnset && event != GateEvent::kSpeech) {
    return;
  }
  // After kOnset come kSpeech and windows that follow the last one: they speak on.
  const bool onset = mode_ == ListenMode::kLive && event == GateEvent::kOnset;
  const std::uint32_t back = onset ? kOnsetBack : 0;
  OpenWindow(frame < back ? 0 : frame - back);
  Hear(level_db, bands);
  TakeFrom(static_cast<std::uint32_t>(onset_), began_us);
}

// Takes the frames up to the last for the first of a window; it may begin after that already.
void Listener::OpenWindow(std::uint32_t first_frame) {
  opened_ = first_frame;
  beginning_.Restart(mode_ == ListenMode::kClip);
  for (std::uint32_t frame = first_frame; Follows() && frame < frames_; ++frame) {
    beginning_.Push(levels_[frame % kHistory]);
  }
  StartAt(first_frame + static_cast<std::uint32_t>(beginning_.start()));
}

void Listener::StartAt(std::uint32_t first_frame) {
  onset_ = static_cast<std::int32_t>(first_frame);
  steps_ = 0;
  features_us_ = 0;
  window_open_ = true;
  cepstra_.Restart();
  engine_.Reset();
  decider_.Restart();
}

void Listener::Hear(float level_db, const float* bands) {
  const bool voiced =
      !model::kHasPitch || pitches_[(frames_ - 1) % kHistory].voicing >= model::kMinVoicing;
  decider_.Hear(level_db, gate_.loud() && voiced &&
                              PeakDb(bands, model::kMelCount) >= model::kVoiceDb);
}

void Listener::TakeFrom(std::uint32_t first_frame, std::uint32_t began_us) {
  for (std::uint32_t frame = first_frame; frame < frames_ && window_open_; ++frame) {
    Take(frame, HistoryOf(frame), began_us);
    began_us = clock_();
  }
}

void Listener::CloseWindow() {
  window_open_ = false;
  clip_done_ = mode_ != ListenMode::kLive;
  // A knock, or the last word after a full window, is no ground for a decision.
  if (clip_done_ || steps_ >= kDecider.min_steps) sink_->OnDecision(decider_.Last());
}

void Listener::Take(std::uint32_t frame, const float* bands, std::uint32_t began_us) {
  const bool complete = cepstra_.Push(bands, pitches_[frame % kHistory]);
  const std::uint32_t stepped_us = clock_();
  features_us_ += stepped_us - began_us;
  if (!complete) return;
  std::int8_t output[model::kLabelCount];
  const Status status = engine_.Step(cepstra_.input(), output);
  const std::uint32_t engine_us = clock_() - stepped_us;
  if (status != Status::kOk) {
    window_open_ = false;
    clip_done_ = true;
    sink_->OnFailure(status);
    return;
  }
  sink_->OnStep({frame, steps_, cepstra_.features(), cepstra_.input(), output, features_us_,
                 engine_us});
  features_us_ = 0;
  const Decision decision = decider_.Step(output);
  if (++steps_ == model::kStepCount) {
    CloseWindow();
  } else {
    sink_->OnDecision(decision);
  }
}

}  // namespace ser
