// Samples in; speech, steps of the model and decisions out.
#ifndef SER_LISTENER_H_
#define SER_LISTENER_H_

#include <cstddef>
#include <cstdint>

#include "../model/feature_settings.h"
#include "beginning.h"
#include "decision.h"
#include "engine.h"
#include "features.h"
#include "gate.h"
#include "status.h"

namespace ser {

// Microseconds of any clock; it may wrap around.
using Clock = std::uint32_t (*)();

struct FrameResult {
  std::uint32_t frame;  // since Restart
  float level_db;
  float floor_db;
  GateEvent gate;
};

struct StepResult {
  std::uint32_t frame;  // its last one
  int step;             // of its window, from 0
  const float* features;
  const std::int8_t* input;
  const std::int8_t* output;
  std::uint32_t features_us;  // of the frames since the step before
  std::uint32_t engine_us;
};

class ListenerSink {
 public:
  virtual void OnFrame(const FrameResult& result) = 0;
  virtual void OnStep(const StepResult& result) = 0;
  virtual void OnDecision(const Decision& decision) = 0;
  virtual void OnFailure(Status status) = 0;

 protected:
  ~ListenerSink() = default;
};

enum class ListenMode : std::uint8_t {
  kLive,       // windows follow each other as long as there is speech
  kClip,       // one window, whose beginning is that of features.onset() in Python
  kWholeClip,  // one window, from the first frame
};

class Listener {
 public:
  Listener(Clock clock, ListenerSink* sink);

  // Once, before anything else.
  Status Begin() { return engine_.Begin(); }

  // Forgets all sound.
  void Restart(ListenMode mode);

  // Sound was lost: what comes next is the first of all, but the floor of noise is known.
  void Interrupt();

  // Any number of samples; each hop is worked through at once.
  void Push(const std::int16_t* samples, std::size_t count);

  // At a clip's end: a clip shorter than one window is filled with zeros to one.
  void CompleteWindow();

  // At a clip's end: one frame of silence, as the features of a short clip are filled up. False
  // when no window is open.
  bool PushSilence();

  bool window_open() const { return window_open_; }
  std::uint32_t frames() const { return frames_; }
  std::int32_t onset() const { return onset_; }  // frame at which the last window began, or -1
  int steps() const { return steps_; }           // of the last window
  Decider& decider() { return decider_; }
  Engine& engine() { return engine_; }

 private:
  // Frames that the gate's onset is back: its loud ones and the preroll.
  static constexpr int kOnsetBack = model::kOnsetFrames + model::kPrerollFrames - 1;

  // Bands, levels and pitch of the last frames: a beginning that is found lies some frames back.
  static constexpr int kHistory =
      model::kOnsetHistoryFrames > kOnsetBack ? model::kOnsetHistoryFrames : kOnsetBack + 1;

  // Whether a window's beginning moves on to where speech begins.
  bool Follows() const { return model::kHasOnset && mode_ != ListenMode::kWholeClip; }
  void StartOver();
  void Frame(const float* bands, std::uint32_t began_us);
  void OpenWindow(std::uint32_t first_frame);
  void Hear(float level_db, const float* bands);
  void StartAt(std::uint32_t first_frame);
  void TakeFrom(std::uint32_t first_frame, std::uint32_t began_us);
  void CloseWindow();
  void Take(std::uint32_t frame, const float* bands, std::uint32_t began_us);
  const float* HistoryOf(std::uint32_t frame) const { return history_[frame % kHistory]; }

  Clock clock_;
  ListenerSink* sink_;
  FeatureExtractor extractor_;
  PitchTracker tracker_;
  Cepstra cepstra_;
  Engine engine_;
  SpeechGate gate_;
  Decider decider_;
  Beginning beginning_;
  std::uint32_t opened_ = 0;  // frame from which the beginning is counted
  ListenMode mode_ = ListenMode::kLive;
  bool window_open_ = false;
  bool clip_done_ = false;
  std::uint32_t frames_ = 0;
  std::int32_t onset_ = -1;
  int steps_ = 0;
  std::uint32_t features_us_ = 0;
  std::size_t filled_ = 0;
  std::int16_t window_[model::kWindowLength];
  float history_[kHistory][model::kMelCount];
  float levels_[kHistory];
  PitchFrame pitches_[kHistory];
};

}  // namespace ser

#endif
