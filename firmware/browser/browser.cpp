// The device of src/ser as a WebAssembly module: for a web page, and for Python without a compiler.
//
// A module is one device. Whoever wants a fresh one makes another instance. It asks its host for one
// thing, a clock, and allocates no memory: the host writes into the two buffers below and reads them.
//
//   sound:  ser_sound() <- samples, ser_hear(count), then ser_take() until it gives 0
//   bytes:  ser_bytes() <- a command or frames, ser_receive(count), then ser_take() likewise
//
// What it says, lines of JSON and frames, is what a board says on its serial port
// (firmware/arduino_nano33/README.md). Beside the device there are parts of it alone: the listener,
// for recordings (a device takes two seconds of digital silence for a broken microphone, and a
// recording may have them); the beginning of a clip, from the levels of its frames; the network, for
// int8 inputs; the mel bands of a frame, for pictures.

#include <cstdint>

#include "ser/beginning.h"
#include "ser/device.h"
#include "ser/engine.h"
#include "ser/features.h"
#include "ser/listener.h"
#include "ser/protocol.h"

#define EXPORTED(name) extern "C" __attribute__((export_name(#name)))

extern "C" __attribute__((import_module("host"), import_name("microseconds"))) std::uint32_t
HostMicroseconds();

// The C library of WASI would ask the host for random numbers, to guard its heap and its stack; there
// is no heap here, and what is read is bounded.
extern "C" std::int32_t __imported_wasi_snapshot_preview1_random_get(std::int32_t, std::int32_t) {
  return 0;
}

namespace {

constexpr int kSoundRoom = ser::model::kWindowLength > static_cast<int>(ser::kChunk)
                               ? ser::model::kWindowLength
                               : static_cast<int>(ser::kChunk);  // samples
constexpr int kBytesRoom = 8192;  // a window that begins anew says several steps at once

std::uint8_t bytes[kBytesRoom];

// Writes what a listener finds to bytes: levels and steps as frames, final decisions as lines.
class Writer final : public ser::ListenerSink {
 public:
  void Restart() { size_ = 0; }
  int size() const { return static_cast<int>(size_); }

  void OnFrame(const ser::FrameResult& result) override {
    ser::FrameWriter frame(bytes + size_, kBytesRoom - size_, ser::FrameType::kLevel, sequence_++);
    frame.payload().U32(result.frame);
    frame.payload().F32(result.level_db);
    frame.payload().F32(result.floor_db);
    frame.payload().U8(static_cast<std::uint8_t>(result.gate));
    size_ += frame.End();
  }

  void OnStep(const ser::StepResult& result) override {
    ser::FrameWriter frame(bytes + size_, kBytesRoom - size_, ser::FrameType::kStep, sequence_++);
    ser::ByteWriter& payload = frame.payload();
    payload.U32(result.frame);
    payload.U32(result.features_us);
    payload.U32(result.engine_us);
    payload.U16(static_cast<std::uint16_t>(result.step));
    payload.U8(static_cast<std::uint8_t>(ser::model::kInputCount));
    payload.U8(static_cast<std::uint8_t>(ser::model::kLabelCount));
    payload.Floats(result.features, ser::model::kInputCount);
    payload.Bytes(result.input, ser::model::kInputCount);
    payload.Bytes(result.output, ser::model::kLabelCount);
    size_ += frame.End();
  }

  void OnDecision(const ser::Decision& decision) override {
    if (!decision.last) return;
    size_ += ser::JsonLine(reinterpret_cast<char*>(bytes) + size_, kBytesRoom - size_)
                 .Text("event", "decision")
                 .Text("label", ser::LabelName(decision.label))
                 .Numbers("probabilities", decision.probabilities, ser::model::kLabelCount, 6)
                 .Integer("steps", decision.steps)
                 .Integer("voice_frames", decision.voice_frames)
                 .End();
  }

  void OnFailure(ser::Status status) override {
    size_ += ser::JsonLine(reinterpret_cast<char*>(bytes) + size_, kBytesRoom - size_)
                 .Text("event", "fault")
                 .Text("reason", ser::StatusName(status))
                 .Text("detail", "the engine refused a step")
                 .End();
  }

 private:
  std::size_t size_ = 0;
  std::uint16_t sequence_ = 0;
};

ser::Device device(HostMicroseconds, {"WebAssembly", "power", 0});
Writer writer;
ser::Listener listener(HostMicroseconds, &writer);
ser::Engine engine;
ser::FeatureExtractor extractor;
ser::Beginning beginning;
std::int16_t sound[kSoundRoom];
std::int8_t input[ser::model::kInputCount];
std::int8_t output[ser::model::kLabelCount];
float bands[ser::model::kMelCount];

}  // namespace

// 0 if the device runs; otherwise it says why.
EXPORTED(ser_begin) int Begin() { return static_cast<int>(device.Begin()); }

EXPORTED(ser_sound) std::int16_t* Sound() { return sound; }
EXPORTED(ser_bytes) std::uint8_t* Bytes() { return bytes; }
// The beginning of a clip: restart, then the level of each frame; gives where it is so far.
EXPORTED(ser_beginning_restart) void RestartBeginning() { beginning.Restart(true); }
EXPORTED(ser_beginning_push) int PushLevel(float level_db) {
  beginning.Push(level_db);
  return beginning.start();
}
EXPORTED(ser_beginning_risen) int Risen() { return beginning.risen() ? 1 : 0; }

EXPORTED(ser_chunk) int Chunk() { return static_cast<int>(ser::kChunk); }
EXPORTED(ser_bytes_room) int BytesRoom() { return kBytesRoom; }

// Takes at most ser_chunk() samples; what the device has to say must be taken before the next ones.
EXPORTED(ser_hear) void Hear(int count) {
  device.OnMicrophone(sound, static_cast<std::size_t>(count));
  device.Poll();
}

// Lets time pass: a test ends, half a frame is given up.
EXPORTED(ser_poll) void Poll() { device.Poll(); }

// How many bytes the device wants now; 0: take first what it has to say.
EXPORTED(ser_wants) int Wants() {
  return device.WantsBytes() ? static_cast<int>(ser::Device::kMostReceived) : 0;
}
EXPORTED(ser_receive) void Receive(int count) {
  device.Receive(bytes, static_cast<std::size_t>(count));
  device.Poll();
}

// Bytes that the device has to say, in ser_bytes().
EXPORTED(ser_take) int Take() { return static_cast<int>(device.TakeBytes(bytes, kBytesRoom)); }

// What the LED shows: colour in bits 0 to 2, speech 3, settling 4, times that it blinks from 5 on.
EXPORTED(ser_led) int Led() {
  const ser::LedState state = device.led();
  return static_cast<int>(state.colour) | state.speech << 3 | state.settling << 4 |
         state.blink_code << 5;
}

// The listener alone. Begin gives 0 if it runs; Listen takes at most ser_chunk() samples of
// ser_sound() and gives how many bytes of ser_bytes() it wrote.
EXPORTED(ser_listen_begin) int ListenBegin() {
  listener.Restart(ser::ListenMode::kLive);
  return static_cast<int>(listener.Begin());
}
EXPORTED(ser_listen) int Listen(int count) {
  writer.Restart();
  listener.Push(sound, static_cast<std::size_t>(count));
  return writer.size();
}

// The mel bands in dB of the window of samples in ser_sound().
EXPORTED(ser_window_length) int WindowLength() { return ser::model::kWindowLength; }
EXPORTED(ser_hop_length) int HopLength() { return ser::model::kHopLength; }
EXPORTED(ser_mel_count) int MelCount() { return ser::model::kMelCount; }
EXPORTED(ser_log_mel) float* LogMel() {
  extractor.LogMel(sound, bands);
  return bands;
}

// The network alone: a step from ser_engine_input() to ser_engine_output(), 0 if it went well.
EXPORTED(ser_engine_begin) int EngineBegin() { return static_cast<int>(engine.Begin()); }
EXPORTED(ser_engine_inputs) int EngineInputs() { return ser::model::kInputCount; }
EXPORTED(ser_engine_outputs) int EngineOutputs() { return ser::model::kLabelCount; }
EXPORTED(ser_engine_input) std::int8_t* EngineInput() { return input; }
EXPORTED(ser_engine_output) std::int8_t* EngineOutput() { return output; }
EXPORTED(ser_engine_reset) void EngineReset() { engine.Reset(); }
EXPORTED(ser_engine_step) int EngineStep() {
  return static_cast<int>(engine.Step(input, output));
}
