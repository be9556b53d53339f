// How high a person ordinarily speaks, in the same steps and bits as ser_tinyml/device/enrolment.py.
#ifndef SER_ENROLMENT_H_
#define SER_ENROLMENT_H_

#include <cstdint>

#include "pitch.h"

namespace ser {

// The voiced frames of a window of speech, or of several.
class VoicedSum {
 public:
  void Restart() { octaves_ = frames_ = 0.0f; }
  void Hear(PitchFrame frame);
  void Add(const VoicedSum& other);
  int frames() const { return static_cast<int>(frames_); }
  float octaves() const { return frames_ > 0.0f ? octaves_ / frames_ : 0.0f; }  // their mean

 private:
  float octaves_ = 0.0f;
  float frames_ = 0.0f;
};

// What is taken off the log2 of F0 of a person who ordinarily speaks so high.
float PitchShift(float octaves);

// F0, from its log2 over the reference.
float HertzOf(float octaves);

// What is kept of a person while the power is off.
struct KeptVoice {
  std::uint32_t magic;
  float octaves;
  std::uint32_t checksum;
};

// Whether a record is as it was written.
bool IsWhole(const KeptVoice& voice);

// Where it is kept. The processor may stand still while it is written.
struct VoiceStore {
  bool (*load)(KeptVoice* voice);        // false: it cannot be read
  bool (*save)(const KeptVoice& voice);  // false: it cannot be written
};

// Asks for sentences in an ordinary voice, and knows who is enrolled.
class Enrolment {
 public:
  enum class Heard : std::uint8_t {
    kTooLittle,  // hardly a voice in it: another one is asked for
    kSentence,
    kLast,  // the person is enrolled
  };

  explicit Enrolment(const VoiceStore* store) : store_(store) {}

  // Whoever was enrolled when the power went off; nobody, if that cannot be read.
  void Load();

  // Keeps, or forgets, who is enrolled. False if it cannot be written, or there is no place.
  bool Save() const;

  // Asks for sentences. Whoever was enrolled before stays so until the last of them.
  void Ask(std::uint32_t now_ms);
  Heard Hear(const VoicedSum& sentence, std::uint32_t now_ms);

  // Nobody spoke for long: nobody is asked any more, and all stays as it was.
  bool GivesUp(std::uint32_t now_ms);

  void Forget();

  bool asking() const { return asking_; }
  int sentences() const { return sentences_; }
  bool enrolled() const { return enrolled_; }
  float hertz() const;  // of the sentences so far, or of who is enrolled; 0: of nobody
  float shift() const { return enrolled_ ? PitchShift(octaves_) : 0.0f; }

 private:
  const VoiceStore* store_;
  bool asking_ = false;
  bool enrolled_ = false;
  int sentences_ = 0;
  std::uint32_t heard_ms_ = 0;
  float octaves_ = 0.0f;
  VoicedSum sum_;
};

}  // namespace ser

#endif
