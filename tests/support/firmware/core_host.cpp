// The portable core behind a pipe: raw values in, raw values out.
//
//   bands    windows of int16           -> bands of float
//   power    kFftLength floats          -> power spectrum of float
//   decibels floats                     -> floats
//   track    windows of int16           -> power spectrum and pitch of float
//   log2     floats                     -> floats
//   cepstra  kFrameCount rows of bands, and pitch if there is -> features of float, then inputs of int8, step by step
//   engine   kStepCount inputs of int8  -> outputs of int8, step by step
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "model/model.h"
#include "ser/engine.h"
#include "ser/features.h"
#include "ser/fft.h"

using namespace ser;
using namespace ser::model;

template <typename T>
static bool Read(T* values, std::size_t count) {
  return std::fread(values, sizeof(T), count, stdin) == count;
}

template <typename T>
static void Write(const T* values, std::size_t count) {
  if (std::fwrite(values, sizeof(T), count, stdout) != count) std::exit(3);
}

static void Check(Status status) {
  if (status == Status::kOk) return;
  std::fprintf(stderr, "%s\n", StatusName(status));
  std::exit(2);
}

static int Bands() {
  static FeatureExtractor extractor;
  std::int16_t window[kWindowLength];
  float bands[kMelCount];
  while (Read(window, kWindowLength)) {
    extractor.LogMel(window, bands);
    Write(bands, kMelCount);
  }
  return 0;
}

static int Power() {
  static float signal[kFftLength];
  static float work[kFftLength];
  while (Read(signal, kFftLength)) {
    PowerSpectrum(signal, work);
    Write(signal, kBinCount);
  }
  return 0;
}

static int Logarithms(float (*log)(float)) {
  float value;
  while (Read(&value, 1)) {
    const float logarithm = log(value);
    Write(&logarithm, 1);
  }
  return 0;
}

static int Track() {
  static FeatureExtractor extractor;
  static PitchTracker tracker;
  std::int16_t window[kWindowLength];
  float bands[kMelCount];
  while (Read(window, kWindowLength)) {
    extractor.LogMel(window, bands);
    Write(extractor.power(), kBinCount);
    const PitchFrame pitch = tracker.Push(extractor.power());
    Write(&pitch.octaves, 1);
    Write(&pitch.voicing, 1);
  }
  return 0;
}

static int Clips() {
  Cepstra cepstra;
  float bands[kMelCount];
  PitchFrame pitch;
  for (int frame = 0; Read(bands, kMelCount); ++frame) {
    if (frame % kFrameCount == 0) cepstra.Restart();
    if (kHasPitch && (!Read(&pitch.octaves, 1) || !Read(&pitch.voicing, 1))) return 5;
    if (cepstra.Push(bands, pitch)) {
      Write(cepstra.features(), kInputCount);
      Write(cepstra.input(), kInputCount);
    }
  }
  return 0;
}

static int Run() {
  static Engine engine;
  std::int8_t input[kInputCount] = {};
  std::int8_t output[kLabelCount];
  if (engine.Step(input, output) != Status::kNotBegun) return 4;
  Check(engine.Begin());
  for (int step = 0; Read(input, kInputCount); ++step) {
    if (step % kStepCount == 0) engine.Reset();
    Check(engine.Step(input, output));
    Write(output, kLabelCount);
  }
  return 0;
}

int main(int count, char** arguments) {
  if (count != 2) return 1;
  const char* what = arguments[1];
  if (!std::strcmp(what, "bands")) return Bands();
  if (!std::strcmp(what, "power")) return Power();
  if (!std::strcmp(what, "decibels")) return Logarithms(Decibels);
  if (!std::strcmp(what, "log2")) return Logarithms(Log2);
  if (!std::strcmp(what, "track")) return Track();
  if (!std::strcmp(what, "cepstra")) return Clips();
  if (!std::strcmp(what, "engine")) return Run();
  return 1;
}
