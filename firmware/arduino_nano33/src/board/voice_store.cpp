#include "voice_store.h"

#include <mbed.h>

namespace board {
namespace {

constexpr std::uint32_t kErased = 0xffffffff;

class Page {
 public:
  Page() : good_(flash_.init() == 0) {
    if (!good_) return;
    const std::uint32_t end = flash_.get_flash_start() + flash_.get_flash_size();
    size_ = flash_.get_sector_size(end - 1);
    start_ = end - size_;
  }
  ~Page() {
    if (good_) flash_.deinit();
  }

  bool Read(ser::KeptVoice* voice) {
    return good_ && flash_.read(voice, start_, sizeof(*voice)) == 0;
  }

  bool Write(const ser::KeptVoice& voice) {
    return good_ && flash_.erase(start_, size_) == 0 &&
           flash_.program(&voice, start_, sizeof(voice)) == 0;
  }

 private:
  mbed::FlashIAP flash_;
  bool good_;
  std::uint32_t start_ = 0;
  std::uint32_t size_ = 0;
};

static_assert(sizeof(ser::KeptVoice) % 4 == 0, "this flash is written in words");

bool Load(ser::KeptVoice* voice) { return Page().Read(voice); }

bool Save(const ser::KeptVoice& voice) {
  Page page;
  ser::KeptVoice there;
  if (!page.Read(&there)) return false;
  // What is neither erased nor ours is the end of a large sketch, or somebody else's.
  if (there.magic != kErased && !ser::IsWhole(there)) return false;
  return page.Write(voice);
}

}  // namespace

const ser::VoiceStore kVoiceStore = {Load, Save};

}  // namespace board
