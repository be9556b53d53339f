// Who is enrolled, what is kept of them, and that the device asks for no more than it needs.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "model/listening.h"
#include "ser/enrolment.h"

#define CHECK(condition)                                                    \
  do {                                                                      \
    if (!(condition)) {                                                     \
      std::fprintf(stderr, "line %d: expected %s\n", __LINE__, #condition); \
      std::exit(1);                                                         \
    }                                                                       \
  } while (false)

using namespace ser;

namespace {

KeptVoice flash = {};
bool flash_is_there = true;
bool Load(KeptVoice* voice) {
  *voice = flash;
  return flash_is_there;
}
bool Save(const KeptVoice& voice) {
  if (flash_is_there) flash = voice;
  return flash_is_there;
}
constexpr VoiceStore kStore = {Load, Save};

VoicedSum Sentence(float octaves, int frames = 40) {
  VoicedSum sum;
  for (int i = 0; i < frames; ++i) {
    sum.Hear({octaves, 0.9f});
    sum.Hear({3.0f, model::kPitchVoiced - 0.01f});  // no voice: it does not count
  }
  return sum;
}

void Enrol(Enrolment* enrolment, float octaves) {
  enrolment->Ask(0);
  for (int i = 1; i < model::kEnrolmentSentences; ++i) {
    CHECK(enrolment->Hear(Sentence(octaves), 0) == Enrolment::Heard::kSentence);
    CHECK(enrolment->asking() && enrolment->sentences() == i);
  }
  CHECK(enrolment->Hear(Sentence(octaves), 0) == Enrolment::Heard::kLast);
  CHECK(!enrolment->asking());
}

void NobodyIsEnrolledAtFirst() {
  Enrolment enrolment(&kStore);
  enrolment.Load();
  CHECK(!enrolment.enrolled() && enrolment.shift() == 0.0f && enrolment.hertz() == 0.0f);
}

void SentencesOfAVoiceEnrolAPerson() {
  Enrolment enrolment(&kStore);
  enrolment.Ask(0);
  const int too_few = model::kMinVoiceFrames - 1;
  CHECK(enrolment.Hear(Sentence(-1.0f, too_few), 0) == Enrolment::Heard::kTooLittle);
  CHECK(enrolment.sentences() == 0);
  Enrol(&enrolment, -1.0f);
  CHECK(enrolment.enrolled() && std::fabs(enrolment.hertz() - 100.0f) < 0.01f);
  CHECK(enrolment.shift() == model::kEnrolmentStrength * (-1.0f - model::kOrdinaryOctaves));
}

void WhoWasEnrolledStaysUntilTheLastSentence() {
  Enrolment enrolment(&kStore);
  Enrol(&enrolment, 0.5f);
  const float before = enrolment.shift();
  enrolment.Ask(1000);
  enrolment.Hear(Sentence(-1.0f), 2000);
  CHECK(enrolment.shift() == before);
  CHECK(!enrolment.GivesUp(61999));
  CHECK(enrolment.GivesUp(62000) && !enrolment.asking());
  CHECK(!enrolment.GivesUp(200000) && enrolment.shift() == before);
}

void APersonOutlivesThePower() {
  Enrolment before(&kStore);
  Enrol(&before, 0.25f);
  CHECK(before.Save());
  Enrolment after(&kStore);
  after.Load();
  CHECK(after.enrolled() && after.shift() == before.shift());
  after.Forget();
  CHECK(!after.enrolled() && after.shift() == 0.0f && after.Save());
  Enrolment then(&kStore);
  then.Load();
  CHECK(!then.enrolled());
}

void ABrokenRecordIsNobody() {
  Enrolment before(&kStore);
  Enrol(&before, 0.25f);
  CHECK(before.Save());
  flash.octaves = 0.75f;
  Enrolment after(&kStore);
  after.Load();
  CHECK(!after.enrolled() && after.shift() == 0.0f);
}

void WithoutAPlaceItLastsUntilThePowerGoesOff() {
  Enrolment nowhere(nullptr);
  nowhere.Load();
  Enrol(&nowhere, -0.5f);
  CHECK(nowhere.enrolled() && !nowhere.Save());
  flash_is_there = false;
  Enrolment broken(&kStore);
  broken.Load();
  CHECK(!broken.enrolled() && !broken.Save());
  flash_is_there = true;
}

}  // namespace

int main() {
  NobodyIsEnrolledAtFirst();
  SentencesOfAVoiceEnrolAPerson();
  WhoWasEnrolledStaysUntilTheLastSentence();
  APersonOutlivesThePower();
  ABrokenRecordIsNobody();
  WithoutAPlaceItLastsUntilThePowerGoesOff();
}
