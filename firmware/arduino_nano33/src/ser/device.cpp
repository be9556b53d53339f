#include "device.h"

#include <cstring>

#include "../model/model.h"

namespace ser {
namespace {

constexpr std::uint32_t kHoldMs = 2000;
constexpr std::uint32_t kSameSamples = 2 * model::kSampleRate;  // no microphone is so quiet

static_assert(16 + 5 * model::kInputCount + model::kLabelCount <= kMaxPayload,
              "a step does not fit in a frame");
static_assert(model::kInputCount <= 255 && model::kLabelCount <= 255, "counts are sent as a byte");

bool Same(const char* a, const char* b) { return std::strcmp(a, b) == 0; }

}  // namespace

int BlinkCode(Status fault) {
  switch (fault) {
    case Status::kOk:
      return 0;
    case Status::kMicrophone:
      return 1;
    case Status::kArenaTooSmall:
      return 3;
    case Status::kNotBegun:
    case Status::kInferenceFailed:
      return 4;
    case Status::kOverrun:
      return 5;
    default:
      return 2;
  }
}

Device::Device(Clock clock, const DeviceSettings& settings)
    : clock_(clock),
      settings_(settings),
      listener_(clock, this),
      parser_(this),
      display_(kHoldMs) {}

Status Device::Begin() {
  clock_seen_us_ = clock_();
  if (settings_.cycles != nullptr) awake_cycles_seen_ = settings_.cycles();
  begun_ = true;
  MicrophoneStarted();
  listener_.Restart(ListenMode::kLive);
  const Status status =
      model::FilesBelongTogether() ? listener_.Begin() : Status::kModelMismatch;
  fault_ = Status::kOk;
  if (status != Status::kOk) Fail(status, "the model cannot run on this board");
  SendStatus("ready");
  return status;
}

void Device::Advance() {
  const std::uint32_t now_us = clock_();
  clock_rest_us_ += now_us - clock_seen_us_;
  clock_seen_us_ = now_us;
  now_ms_ += clock_rest_us_ / 1000;
  if (settings_.cycles != nullptr) {
    const std::uint32_t cycles = settings_.cycles();
    awake_cycles_ += cycles - awake_cycles_seen_;
    awake_cycles_seen_ = cycles;
  }
  clock_rest_us_ %= 1000;
}

std::uint32_t Device::heard_ms() const {
  return static_cast<std::uint32_t>(samples_ / kSamplesPerMs);
}

void Device::Listen() {
  listener_.Restart(ListenMode::kLive);
  Forget();
}

void Device::Forget() {
  display_.Clear();
  speech_ = false;
  line_label_ = kUnsure;
}

bool Device::Poll() {
  Advance();
  parser_.Tick(Now());
  if (fault_ != Status::kOk && Now() - fault_said_ms_ >= kFaultEveryMs) SendFault();
  // The end of an overrun changes nothing but what is shown, and that not in the midst of speech.
  if (fault_ == Status::kOverrun && Now() - overrun_ms_ >= kOverrunShownMs && !speech_) {
    SayRecovered();
  }
  if (testing_) {
    sound_.Discard();
    if (finishing_ && sent_.Room() >= kRoomToAnswer && !listener_.PushSilence()) SendTestDone();
    if (testing_ && Now() - test_heard_ms_ >= kTestPatienceMs) {
      EndTest();
      SendError("the test's sound stopped coming: back to the microphone");
    }
    return testing_;
  }
  return Hear();
}

bool Device::Hear() {
  if (sound_.Lost() != lost_seen_) HearOverrun();
  if (sound_.Available() < kChunk) return false;
  const std::size_t count = sound_.Read(chunk_, kChunk);
  const std::uint32_t first = static_cast<std::uint32_t>(samples_);
  samples_ += count;
  WatchForSilence(chunk_, count);
  if (settling_samples_ > 0) {
    settling_samples_ -= settling_samples_ < count ? settling_samples_
                                                   : static_cast<std::uint32_t>(count);
    return true;
  }
  if (streaming_) {
    FrameWriter frame(frame_, sizeof(frame_), FrameType::kAudio, NextSequence());
    frame.payload().U32(first);
    frame.payload().U32(sound_.Lost());
    frame.payload().Samples(chunk_, count);
    Send(frame_, frame.End());
  }
  if (fault_ != Status::kOk && fault_ != Status::kOverrun) return true;
  const std::uint32_t began_us = clock_();
  if (WorthHearing(chunk_, count)) listener_.Push(chunk_, count);
  busy_us_ += clock_() - began_us;
  busy_samples_ += static_cast<std::uint32_t>(count);
  if (busy_samples_ >= 60u * model::kSampleRate) {  // the load is that of the last minute or two
    busy_us_ /= 2;
    busy_samples_ /= 2;
  }
  return true;
}

// Always, in a build that does not save power, and while somebody looks on.
bool Device::WorthHearing(const std::int16_t* samples, std::size_t count) {
#if SER_LOW_POWER
  if (streaming_) {
    if (energy_.Wake()) listener_.Restart(ListenMode::kLive);
    return true;
  }
  const bool worth = energy_.Push(samples, count);
  const bool woke = energy_.Woke();
  if (speech_) {  // the listener's gate ends it, also where this one would sleep
    energy_.Forget();
    return true;
  }
  if (woke) {
    // Not Interrupt: the room may have grown louder, and what was kept tells its floor.
    listener_.Restart(ListenMode::kLive);
    std::int16_t kept[64];
    for (std::size_t n; (n = energy_.TakeKept(kept, 64)) > 0;) listener_.Push(kept, n);
  }
  return worth;
#else
  (void)samples;
  return count > 0;
#endif
}

// What is in the ring has a gap after it: speech across it would be none.
void Device::HearOverrun() {
  lost_seen_ = sound_.Lost();
  sound_.Discard();
  listener_.Interrupt();
  Forget();
  const bool said = fault_ == Status::kOverrun;
  overrun_ms_ = Now();
  if (!said && fault_ == Status::kOk) Fail(Status::kOverrun, "sound was lost: too slow");
}

// A microphone always hears itself: two seconds of one and the same value are no sound.
void Device::WatchForSilence(const std::int16_t* samples, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    if (samples[i] == same_value_) {
      ++same_samples_;
    } else {
      same_value_ = samples[i];
      same_samples_ = 1;
    }
  }
  const bool dead = same_samples_ >= kSameSamples;
  if (dead && fault_ == Status::kOk) {
    Fail(Status::kMicrophone, "the microphone is silent: is it a Nano 33 BLE Sense?");
  } else if (!dead) {
    ClearMicrophoneFault();
  }
}

void Device::ClearMicrophoneFault() {
  if (fault_ == Status::kMicrophone) Recover();
}

void Device::Warn(const char* what) {
  Send(line_, JsonLine(line_, sizeof(line_)).Text("event", "warning").Text("reason", what).End());
}

void Device::Fail(Status status, const char* detail) {
  if (fault_ != Status::kOk && fault_ != Status::kOverrun) return;  // the first is the cause
  fault_ = status;
  fault_detail_ = detail;
  SendFault();
}

void Device::Recover() {
  Listen();
  SayRecovered();
}

void Device::SayRecovered() {
  fault_ = Status::kOk;
  Send(line_, JsonLine(line_, sizeof(line_))
                  .Text("event", "recovered")
                  .Natural("time_ms", heard_ms())
                  .End());
}

void Device::Receive(const std::uint8_t* bytes, std::size_t count) {
  Advance();
  parser_.Push(bytes, count, Now());
}

void Device::Disconnected() {
  streaming_ = false;
  if (testing_) EndTest();
  parser_.Reset();
}

LedState Device::led() {
  LedState state = {Colour::kOff, speech_, settling_samples_ > 0, BlinkCode(fault_)};
  if (state.blink_code == 0) state.colour = ColourOf(display_.label(heard_ms()));
  return state;
}

// From the listener.

void Device::OnFrame(const FrameResult& result) {
  if (sends_frames()) {
    FrameWriter frame(frame_, sizeof(frame_), FrameType::kLevel, NextSequence());
    frame.payload().U32(result.frame);
    frame.payload().F32(result.level_db);
    frame.payload().F32(result.floor_db);
    frame.payload().U8(static_cast<std::uint8_t>(result.gate));
    Send(frame_, frame.End());
  }
  if (testing_) return;
  const bool begins = result.gate == GateEvent::kOnset;
  if (!begins && result.gate != GateEvent::kEnd) return;
  speech_ = begins;
  if (begins) line_label_ = kUnsure;
  Send(line_, JsonLine(line_, sizeof(line_))
                  .Text("event", "speech")
                  .Text("state", begins ? "begin" : "end")
                  .Natural("time_ms", heard_ms())
                  .Number("level_db", result.level_db, 1)
                  .Number("floor_db", result.floor_db, 1)
                  .End());
}

void Device::OnStep(const StepResult& result) {
  if (result.features_us > features_us_) features_us_ = result.features_us;
  if (result.engine_us > engine_us_) engine_us_ = result.engine_us;
  if (!sends_frames()) return;
  FrameWriter frame(frame_, sizeof(frame_), FrameType::kStep, NextSequence());
  ByteWriter& payload = frame.payload();
  payload.U32(result.frame);
  payload.U32(result.features_us);
  payload.U32(result.engine_us);
  payload.U16(static_cast<std::uint16_t>(result.step));
  payload.U8(static_cast<std::uint8_t>(model::kInputCount));
  payload.U8(static_cast<std::uint8_t>(model::kLabelCount));
  payload.Floats(result.features, model::kInputCount);
  payload.Bytes(result.input, model::kInputCount);
  payload.Bytes(result.output, model::kLabelCount);
  Send(frame_, frame.End());
}

void Device::OnDecision(const Decision& decision) {
  if (testing_) return;
  display_.Take(decision, heard_ms());
  const bool news = decision.label != kUnsure && decision.label != line_label_;
  if (!decision.last && !news) return;
  line_label_ = decision.last ? kUnsure : decision.label;
  if (decision.last) told_ = {told_.number + 1, decision};
  Send(line_, JsonLine(line_, sizeof(line_))
                  .Text("event", "decision")
                  .Text("label", LabelName(decision.label))
                  .Flag("final", decision.last)
                  .Numbers("probabilities", decision.probabilities, model::kLabelCount, 3)
                  .Natural("time_ms", heard_ms())
                  .Integer("steps", decision.steps)
                  .Integer("voice_frames", decision.voice_frames)
                  .Natural("features_us", features_us_)
                  .Natural("engine_us", engine_us_)
                  .Text("colour", ColourName(ColourOf(decision.label)))
                  .End());
}

// From the host.

void Device::OnLine(const char* line) {
  if (testing_) EndTest();  // another host, or one that thought better of it
  if (Same(line, "status")) {
    SendStatus("status");
  } else if (Same(line, "stream start") || Same(line, "stream stop")) {
    streaming_ = Same(line, "stream start");
    SendReply(line);
  } else if (Same(line, "threshold")) {
    SendReply(line);
  } else if (std::strncmp(line, "threshold ", 10) == 0) {
    float value;
    if (ReadNumber(line + 10, &value) && value <= 1.0f) {
      listener_.decider().SetThreshold(value);
      SendReply("threshold");
    } else {
      SendError("threshold: expected a number from 0 to 1");
    }
  } else if (Same(line, "help")) {
    static const char* const kCommands[] = {"status", "threshold [0..1]", "stream start",
                                            "stream stop", "help"};
    Send(line_, JsonLine(line_, sizeof(line_))
                    .Text("event", "help")
                    .Texts("commands", kCommands, sizeof(kCommands) / sizeof(*kCommands))
                    .End());
  } else {
    OnGarbage();
  }
}

void Device::OnFrame(FrameType type, std::uint16_t, const std::uint8_t* payload,
                     std::size_t size) {
  test_heard_ms_ = Now();
  if (type == FrameType::kTestBegin && size == 1 && payload[0] <= 1) {
    if (fault_ != Status::kOk && fault_ != Status::kOverrun && fault_ != Status::kMicrophone) {
      SendFault();
      return;
    }
    testing_ = true;
    finishing_ = false;
    test_samples_ = 0;
    const bool gated = payload[0] == 0 && model::kHasOnset;
    listener_.Restart(gated ? ListenMode::kClip : ListenMode::kWholeClip);
  } else if (type == FrameType::kTestAudio && testing_ && !finishing_ && size % 2 == 0 &&
             size / 2 <= kChunk) {
    const std::size_t count = size / 2;
    for (std::size_t i = 0; i < count; ++i) {
      chunk_[i] = static_cast<std::int16_t>(ReadU16(payload + 2 * i));
    }
    test_samples_ += static_cast<std::uint32_t>(count);
    listener_.Push(chunk_, count);
  } else if (type == FrameType::kTestEnd && testing_ && !finishing_ && size == 0) {
    listener_.CompleteWindow();
    finishing_ = true;
  } else {
    OnGarbage();
  }
}

void Device::OnGarbage() {
  ++garbage_;
  if (Now() - garbage_said_ms_ < kGarbageEveryMs) return;
  garbage_said_ms_ = Now();
  SendError("not understood: try help");
}

void Device::SendTestDone() {
  FrameWriter frame(frame_, sizeof(frame_), FrameType::kTestDone, NextSequence());
  frame.payload().U32(test_samples_);
  frame.payload().U32(listener_.frames());
  frame.payload().U32(static_cast<std::uint32_t>(listener_.steps()));
  frame.payload().U32(static_cast<std::uint32_t>(listener_.onset()));
  frame.payload().U8(static_cast<std::uint8_t>(fault_));
  Send(frame_, frame.End());
  EndTest();
}

void Device::EndTest() {
  testing_ = false;
  finishing_ = false;
  lost_seen_ = sound_.Lost();
  Listen();
}

void Device::SendFault() {
  fault_said_ms_ = Now();
  Send(line_, JsonLine(line_, sizeof(line_))
                  .Text("event", "fault")
                  .Text("reason", StatusName(fault_))
                  .Text("detail", fault_detail_)
                  .Integer("blinks", BlinkCode(fault_))
                  .Natural("time_ms", heard_ms())
                  .Natural("lost_samples", sound_.Lost())
                  .End());
}

void Device::SendStatus(const char* event) {
  const float heard_us = static_cast<float>(busy_samples_) * (1e6f / model::kSampleRate);
  Send(line_,
       JsonLine(line_, sizeof(line_))
           .Text("event", event)
           .Integer("protocol", kProtocolVersion)
           .Text("board", settings_.board)
           .Text("reset", settings_.reset)
           .Text("model", model::kModelId)
           .Text("engine", Engine::Name())
           .Integer("arena_bytes", Engine::ArenaBytes())
           .Texts("labels", model::kLabels, model::kLabelCount)
           .Integer("sample_rate", model::kSampleRate)
           .Integer("window_length", model::kWindowLength)
           .Integer("hop_length", model::kHopLength)
           .Integer("stack", model::kStack)
           .Integer("inputs", model::kInputCount)
           .Integer("steps", model::kStepCount)
           .Natural("output_scale_nano", static_cast<std::uint32_t>(model::kOutputScale * 1e9f))
           .Integer("output_zero_point", model::kOutputZeroPoint)
           .Number("threshold", listener_.decider().threshold(), 3)
           .Flag("streaming", streaming_)
           .Text("fault", StatusName(fault_))
           .Natural("up_ms", Now())
           .Natural("heard_ms", heard_ms())
           .Natural("decisions", told_.number)
           .Natural("lost_samples", sound_.Lost())
           .Natural("late_buffers", late_.load())
           .Natural("lost_lines", lines_lost_)
           .Natural("not_understood", garbage_)
           .Natural("features_us", features_us_)
           .Natural("engine_us", engine_us_)
           .Natural("awake_kcycles", static_cast<std::uint32_t>(awake_cycles_ / 1000))
           .Number("load", busy_samples_ > 0 ? static_cast<float>(busy_us_) / heard_us : 0.0f, 4)
           .End());
}

void Device::SendReply(const char* command) {
  Send(line_, JsonLine(line_, sizeof(line_))
                  .Text("event", "ok")
                  .Text("command", command)
                  .Number("threshold", listener_.decider().threshold(), 3)
                  .Flag("streaming", streaming_)
                  .End());
}

void Device::SendError(const char* reason) {
  Send(line_, JsonLine(line_, sizeof(line_))
                  .Text("event", "error")
                  .Text("reason", reason)
                  .Natural("not_understood", garbage_)
                  .End());
}

void Device::Send(const void* bytes, std::size_t count) {
  if (count == 0 || !sent_.Write(static_cast<const std::uint8_t*>(bytes), count)) ++lines_lost_;
}

}  // namespace ser
