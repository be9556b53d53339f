// The whole device but its hardware: the sketch and the virtual board both wire this one.
//
//   microphone -> OnMicrophone -> ring -> Poll -> Listener -> lines, frames, LED
//   serial line -> Receive -> commands, test mode
#ifndef SER_DEVICE_H_
#define SER_DEVICE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "../model/feature_settings.h"
#include "decision.h"
#include "energy_gate.h"
#include "listener.h"
#include "power_config.h"
#include "protocol.h"
#include "ring_buffer.h"
#include "status.h"

namespace ser {

struct DeviceSettings {
  const char* board;        // its name
  const char* reset;        // why it started
  std::uint32_t settle_ms;  // the microphone's first sound is thrown away
  Clock cycles;             // of the processor while it is awake, wraps around; null: not counted
};

struct LedState {
  Colour colour;   // of the emotion
  bool speech;     // somebody speaks
  bool settling;   // not listening yet
  int blink_code;  // of a fault; 0: none
};

// Times that red blinks for a fault: 1 microphone, 2 wrong model, 3 arena, 4 inference, 5 too slow.
int BlinkCode(Status fault);

class Device final : private ListenerSink, private ParserSink {
 public:
  Device(Clock clock, const DeviceSettings& settings);

  // Once. Whatever goes wrong is said on the line again and again, and by the LED.
  Status Begin();

  // From the interrupt: copies and counts.
  void OnMicrophone(const std::int16_t* samples, std::size_t count) {
    sound_.Write(samples, count);
  }

  // From the interrupt too: what the driver lost, and that an interrupt came late.
  void OnMicrophoneLost(std::size_t count) { sound_.Lose(static_cast<std::uint32_t>(count)); }
  void OnMicrophoneLate() { late_.store(late_.load(std::memory_order_relaxed) + 1); }

  // The microphone was switched on, at first or again: it settles before it is listened to.
  void MicrophoneStarted() { settling_samples_ = settings_.settle_ms * kSamplesPerMs; }

  // The microphone's driver tells what happened to it.
  void SetMicrophoneFault(const char* detail) { Fail(Status::kMicrophone, detail); }
  void ClearMicrophoneFault();

  // Something is missing that the device can do without.
  void Warn(const char* what);

  // Bytes of the host, at most kMostReceived a call and only if wanted: that keeps the answers from
  // outrunning the line.
  static constexpr std::size_t kMostReceived = 64;
  bool WantsBytes() const { return !finishing_ && sent_.Room() >= kRoomToAnswer; }
  void Receive(const std::uint8_t* bytes, std::size_t count);

  // The host has gone: nothing is streamed or tested any more.
  void Disconnected();

  // Works through at most one chunk of sound. False if there is nothing to do: the caller may sleep.
  // In the test mode it is true until the test ends, so do not loop on it: the test comes by Receive.
  bool Poll();

  // For the host. One reader, which may be another thread.
  std::size_t TakeBytes(std::uint8_t* bytes, std::size_t count) { return sent_.Read(bytes, count); }
  std::size_t BytesWaiting() const { return sent_.Available(); }
  bool streaming() const { return streaming_; }

  LedState led();

  // The last final decision, for code that passes it on, as Bluetooth does; `number` counts them.
  struct Told {
    std::uint32_t number;
    Decision decision;
  };
  const Told& told() const { return told_; }

 private:
  static constexpr std::uint32_t kSamplesPerMs = model::kSampleRate / 1000;
  static constexpr std::size_t kSoundCapacity = 4096;  // samples: 256 ms at 16 kHz
  // Where a beginning moves, steps come all at once; see FrameType for what a frame has.
  static constexpr std::size_t kFrameBytes = kHeaderSize + kCrcSize;
  static constexpr std::size_t kStepBytes =
      kFrameBytes + 16 + 5 * model::kInputCount + model::kLabelCount;
  static constexpr std::size_t kLevelBytes = kFrameBytes + 13;
  static constexpr std::size_t kRoomToAnswer =
      (model::kOnsetHistoryFrames / model::kStack + 1) * kStepBytes + kLevelBytes;
  static constexpr std::size_t kSentWanted = kRoomToAnswer + 512;  // and some lines
  static constexpr std::size_t kSentCapacity =
      kSentWanted <= 4096 ? 4096 : kSentWanted <= 8192 ? 8192 : 16384;
  static_assert(kSentWanted <= kSentCapacity, "the steps of a beginning must fit what is sent");
  static constexpr std::uint32_t kTestPatienceMs = 5000;
  static constexpr std::uint32_t kFaultEveryMs = 5000;
  static constexpr std::uint32_t kGarbageEveryMs = 500;
  static constexpr std::uint32_t kOverrunShownMs = 5000;

  void OnFrame(const FrameResult& result) override;
  void OnStep(const StepResult& result) override;
  void OnDecision(const Decision& decision) override;
  void OnFailure(Status status) override { Fail(status, "the engine refused a step"); }
  void OnLine(const char* line) override;
  void OnFrame(FrameType type, std::uint16_t sequence, const std::uint8_t* payload,
               std::size_t size) override;
  void OnGarbage() override;

  std::uint32_t Now() const { return now_ms_; }
  void Advance();
  void Listen();
  void Forget();
  bool Hear();
  bool WorthHearing(const std::int16_t* samples, std::size_t count);
  void HearOverrun();
  void WatchForSilence(const std::int16_t* samples, std::size_t count);
  void Fail(Status status, const char* detail);
  void Recover();
  void SayRecovered();
  void SendFault();
  void SendStatus(const char* event);
  void SendReply(const char* command);
  void SendError(const char* reason);
  void SendTestDone();
  void EndTest();
  void Send(const void* bytes, std::size_t count);
  bool sends_frames() const { return streaming_ || testing_; }
  std::uint16_t NextSequence() { return sequence_++; }
  std::uint32_t heard_ms() const;

  Clock clock_;
  DeviceSettings settings_;
  Listener listener_;
  Parser parser_;
  Display display_;
  RingBuffer<std::int16_t, kSoundCapacity> sound_;
  RingBuffer<std::uint8_t, kSentCapacity> sent_;

  Status fault_ = Status::kNotBegun;
  const char* fault_detail_ = "";
  std::uint32_t fault_said_ms_ = 0;
  std::uint32_t overrun_ms_ = 0;
  std::uint32_t lost_seen_ = 0;
  std::atomic<std::uint32_t> late_{0};  // interrupts of the microphone
  bool begun_ = false;

#if SER_LOW_POWER
  EnergyGate energy_{1000 * kChunk / model::kSampleRate};
#endif

  std::uint32_t awake_cycles_seen_ = 0;
  std::uint64_t awake_cycles_ = 0;  // since Begin

  std::uint32_t now_ms_ = 0;  // since Begin
  std::uint32_t clock_seen_us_ = 0;
  std::uint32_t clock_rest_us_ = 0;

  std::uint32_t settling_samples_ = 0;  // still to be thrown away
  std::uint64_t samples_ = 0;           // heard since Begin
  std::int16_t same_value_ = 0;
  std::uint32_t same_samples_ = 0;  // in a row that are same_value_
  bool speech_ = false;
  int line_label_ = kUnsure;  // of the last line about a running decision

  bool streaming_ = false;
  bool testing_ = false;
  bool finishing_ = false;
  std::uint32_t test_samples_ = 0;
  std::uint32_t test_heard_ms_ = 0;
  std::uint16_t sequence_ = 0;

  std::uint32_t garbage_ = 0;
  std::uint32_t garbage_said_ms_ = 0u - kGarbageEveryMs;
  std::uint32_t lines_lost_ = 0;
  Told told_ = {0, {kUnsure, true, 0, 0, {}}};

  // How long things take: the longest step since the start, and what all hearing took of late.
  std::uint32_t features_us_ = 0;  // the longest of the features of a step
  std::uint32_t engine_us_ = 0;    // the longest step
  std::uint32_t busy_us_ = 0;      // since busy_samples_ began to count
  std::uint32_t busy_samples_ = 0;

  std::int16_t chunk_[kChunk];
  std::uint8_t frame_[kMaxFrame];
  char line_[1088];
};

}  // namespace ser

#endif
