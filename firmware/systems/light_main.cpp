// Light models, on the bare processor and on a computer. steps.in: rows of steps of features;
// steps.out: their probabilities. voice.in: the length of a clip in samples (int32) and its samples
// (int16), clip after clip; voice.out: the features of each and their probabilities.
#include <cstdint>
#include <cstring>

#include "../model/light_model.h"
#include "../ser/light_voice.h"

#ifdef __arm__
#include "../emulate/semihosting.h"

namespace {

using File = int;

File Open(const char* name, bool to_write) {
  return emulate::Open(name, to_write ? emulate::kWriteBinary : emulate::kReadBinary);
}
bool Works(File file) { return file >= 0; }
bool Read(File file, void* data, std::size_t size) {
  return emulate::Read(file, data, size) == size;
}
bool Write(File file, const void* data, std::size_t size) {
  return emulate::Write(file, data, size);
}

}  // namespace
#else
#include <cstdio>

namespace {

using File = std::FILE*;

File Open(const char* name, bool to_write) { return std::fopen(name, to_write ? "wb" : "rb"); }
bool Works(File file) { return file != nullptr; }
bool Read(File file, void* data, std::size_t size) { return std::fread(data, 1, size, file) == size; }
bool Write(File file, const void* data, std::size_t size) {
  return std::fwrite(data, 1, size, file) == size;
}

}  // namespace
#endif

namespace {

using namespace ser;
using namespace ser::model;

std::int16_t window[kWindowLength];
float probabilities[kLightClassCount];

// One clip of `length` samples; a shorter one than a window is filled with zeros.
bool Hear(File in, std::int32_t length, float* features) {
  light_voice.Restart();
  std::memset(window, 0, sizeof(window));
  std::int32_t taken = length < kWindowLength ? length : kWindowLength;
  if (!Read(in, window, static_cast<std::size_t>(taken) * sizeof(*window))) return false;
  light_voice.Push(window);
  for (; taken + kHopLength <= length; taken += kHopLength) {
    std::memmove(window, window + kHopLength, (kWindowLength - kHopLength) * sizeof(*window));
    std::int16_t* const fresh = window + kWindowLength - kHopLength;
    if (!Read(in, fresh, kHopLength * sizeof(*window))) return false;
    light_voice.Push(window);
  }
  for (; taken < length; ++taken) {
    std::int16_t rest;
    if (!Read(in, &rest, sizeof(rest))) return false;
  }
  light_voice.Finish(features);
  return true;
}

}  // namespace

int main() {
  std::int16_t steps[kLightFeatureCount];
  const File rows = Open("steps.in", false);
  const File answers = Open("steps.out", true);
  const File voice = Open("voice.in", false);
  const File heard = Open("voice.out", true);
  if (!Works(rows) || !Works(answers) || !Works(voice) || !Works(heard)) return 1;
  while (Read(rows, steps, sizeof(steps))) {
    LightAnswer(steps, probabilities);
    if (!Write(answers, probabilities, sizeof(probabilities))) return 1;
  }
  std::int32_t length;
  while (Read(voice, &length, sizeof(length))) {
    float features[kLightFeatureCount];
    if (!Hear(voice, length, features)) return 1;
    LightSteps(features, steps);
    LightAnswer(steps, probabilities);
    if (!Write(heard, features, sizeof(features))) return 1;
    if (!Write(heard, probabilities, sizeof(probabilities))) return 1;
  }
#ifndef __arm__
  std::fclose(answers);
  std::fclose(heard);
#endif
  return 0;
}
