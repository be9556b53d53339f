#include "enrolment.h"

#include <cmath>

#include "../model/listening.h"
#include "crc.h"
#include "exact.h"

namespace ser {
namespace {

constexpr std::uint32_t kMagic = 0x31524553;  // "SER1"
constexpr std::uint32_t kPatienceMs = 60000;
constexpr float kReferenceHz = 200.0f;  // of which octaves are counted: features/pitch.py

std::uint32_t ChecksumOf(const KeptVoice& voice) {
  std::uint8_t bytes[sizeof(voice.magic) + sizeof(voice.octaves)];
  std::memcpy(bytes, &voice.magic, sizeof(voice.magic));
  std::memcpy(bytes + sizeof(voice.magic), &voice.octaves, sizeof(voice.octaves));
  return Crc32(0, bytes, sizeof(bytes));
}

}  // namespace

bool IsWhole(const KeptVoice& voice) { return voice.checksum == ChecksumOf(voice); }

void VoicedSum::Hear(PitchFrame frame) {
  if (!(frame.voicing >= model::kPitchVoiced)) return;
  octaves_ += frame.octaves;
  frames_ += 1.0f;
}

void VoicedSum::Add(const VoicedSum& other) {
  octaves_ += other.octaves_;
  frames_ += other.frames_;
}

float PitchShift(float octaves) {
  return model::kEnrolmentStrength * (octaves - model::kOrdinaryOctaves);
}

float HertzOf(float octaves) { return kReferenceHz * std::exp2(octaves); }

void Enrolment::Load() {
  KeptVoice voice;
  enrolled_ = store_ != nullptr && store_->load(&voice) && voice.magic == kMagic &&
              IsWhole(voice);
  octaves_ = enrolled_ ? voice.octaves : 0.0f;
}

bool Enrolment::Save() const {
  KeptVoice voice = {enrolled_ ? kMagic : 0, octaves_, 0};
  voice.checksum = ChecksumOf(voice);
  return store_ != nullptr && store_->save(voice);
}

void Enrolment::Ask(std::uint32_t now_ms) {
  asking_ = true;
  sentences_ = 0;
  sum_.Restart();
  heard_ms_ = now_ms;
}

Enrolment::Heard Enrolment::Hear(const VoicedSum& sentence, std::uint32_t now_ms) {
  heard_ms_ = now_ms;
  if (sentence.frames() < model::kMinVoiceFrames) return Heard::kTooLittle;
  sum_.Add(sentence);
  if (++sentences_ < model::kEnrolmentSentences) return Heard::kSentence;
  asking_ = false;
  enrolled_ = true;
  octaves_ = sum_.octaves();
  return Heard::kLast;
}

bool Enrolment::GivesUp(std::uint32_t now_ms) {
  if (!asking_ || now_ms - heard_ms_ < kPatienceMs) return false;
  asking_ = false;
  return true;
}

void Enrolment::Forget() {
  asking_ = enrolled_ = false;
  octaves_ = 0.0f;
}

float Enrolment::hertz() const {
  if (asking_) return sum_.frames() > 0 ? HertzOf(sum_.octaves()) : 0.0f;
  return enrolled_ ? HertzOf(octaves_) : 0.0f;
}

}  // namespace ser
