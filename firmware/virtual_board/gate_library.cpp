// The speech gate for other languages: ser_tinyml/gate.py calls it through ctypes.

#include <cstddef>
#include <cstdint>

#include "ser/gate.h"

extern "C" {

// The settings of the device.
void GateDefaults(float onset_db, int onset_frames, float frames_a_second,
                  ser::GateSettings* settings) {
  *settings = ser::DeviceGate(onset_db, onset_frames, frames_a_second);
}

// Runs a fresh gate over bands [frames][count] in dB. Gives level, floor and event of each frame.
void GateRun(const ser::GateSettings* settings, const float* bands, std::size_t frames, int count,
             float* levels, float* floors, std::uint8_t* events) {
  ser::SpeechGate gate(*settings);
  for (std::size_t i = 0; i < frames; ++i) {
    levels[i] = ser::LevelDb(bands + i * static_cast<std::size_t>(count), count);
    events[i] = static_cast<std::uint8_t>(gate.Push(levels[i]));
    floors[i] = gate.floor_db();
  }
}

}  // extern "C"
