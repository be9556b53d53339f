// A day on a desk in virtual time: speech, fans, silence and a host that comes and goes.
//
//   hours_test MINUTES STEP_US OTHER_US < speech of int16
//
// STEP_US: what a step of the network takes; OTHER_US: what else the loop does for each buffer. Every
// simulated hour it prints a line: minutes, speeches begun and ended, decisions, those with a label,
// faults, statuses, lines, those that are broken, and what the status counts.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "ser/device.h"

std::uint32_t step_us = 0;

namespace {

constexpr std::uint32_t kBufferUs = 16000;

std::uint64_t time_us = 0;
std::uint64_t next_us = kBufferUs;
ser::Device* listening = nullptr;
std::vector<std::int16_t> speech;
std::size_t at = 0;  // in the speech
std::uint32_t noise = 1;

std::uint32_t Microseconds() { return static_cast<std::uint32_t>(time_us); }

std::int16_t Noise(int loudness) {
  noise = noise * 1664525u + 1013904223u;
  return static_cast<std::int16_t>(static_cast<int>((noise >> 16) %
                                   static_cast<std::uint32_t>(2 * loudness + 1)) - loudness);
}

// Ten minutes that come again: somebody speaks in the first four, a fan runs from 5 to 7, the rest is
// silent. At night, the last eight of 24 hours, nobody speaks.
bool Speaks(std::uint64_t us) {
  const std::uint64_t minute = us / 60000000;
  return minute % 1440 < 960 && minute % 10 < 4;
}
bool Fan(std::uint64_t us) { return us / 60000000 % 10 >= 5 && us / 60000000 % 10 < 7; }

void Interrupt() {
  std::int16_t samples[256];
  const bool speaks = Speaks(time_us);
  const int loudness = Fan(time_us) ? 120 : 5;
  for (std::int16_t& sample : samples) {
    int value = Noise(loudness);
    if (speaks && !speech.empty()) {
      value += speech[at];
      at = (at + 1) % speech.size();
    }
    sample = static_cast<std::int16_t>(value < -32768 ? -32768 : value > 32767 ? 32767 : value);
  }
  listening->OnMicrophone(samples, 256);
}

}  // namespace

void PassTime(std::uint32_t microseconds) {
  const std::uint64_t until = time_us + microseconds;
  while (next_us <= until) {
    time_us = next_us;
    next_us += kBufferUs;
    Interrupt();
  }
  time_us = until;
}

namespace {

struct Counts {
  unsigned begun = 0, ended = 0, decisions = 0, answered = 0, faults = 0, statuses = 0, lines = 0, broken = 0;
};

// Lines as the host reads them. What is no line and no frame is broken.
class Host {
 public:
  void Take(const std::uint8_t* bytes, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) Byte(bytes[i]);
  }
  Counts counts;
  std::string status;

 private:
  void Byte(std::uint8_t byte) {
    if (frame_left_ > 0) {
      --frame_left_;
      return;
    }
    if (!header_.empty() || (line_.empty() && byte == ser::kMagic0)) {
      header_ += static_cast<char>(byte);
      if (header_.size() == ser::kHeaderSize) {
        const auto* read = reinterpret_cast<const std::uint8_t*>(header_.data());
        frame_left_ = ser::ReadU16(read + 5) + ser::kCrcSize;
        header_.clear();
      }
    } else if (byte == '\n') {
      Line();
      line_.clear();
    } else {
      line_ += static_cast<char>(byte);
    }
  }
  bool Has(const char* part) const { return line_.find(part) != std::string::npos; }
  void Line() {
    ++counts.lines;
    if (!line_.empty() && line_.back() == '\r') line_.pop_back();
    if (line_.empty() || line_.front() != '{' || line_.back() != '}') ++counts.broken;
    if (Has("\"state\":\"begin\"")) ++counts.begun;
    if (Has("\"state\":\"end\"")) ++counts.ended;
    if (Has("\"final\":true")) ++counts.decisions;
    if (Has("\"final\":true") && !Has("\"label\":\"unsure\"")) ++counts.answered;
    if (Has("\"event\":\"fault\"")) ++counts.faults;
    if (Has("\"event\":\"status\"")) {
      ++counts.statuses;
      status = line_;
    }
  }
  std::string line_, header_;
  std::size_t frame_left_ = 0;
};

void Ask(ser::Device* device, const char* line) {
  device->Receive(reinterpret_cast<const std::uint8_t*>(line), std::strlen(line));
}

// What a host does in the second that begins now: it streams for a minute of every twenty. Every
// voice gets a label, however unsure the network is: only the gate keeps it from others.
void Talk(ser::Device* device, std::uint64_t second) {
  if (second == 1) Ask(device, "threshold 0\n");
  if (second % 1200 == 300) Ask(device, "stream start\n");
  if (second % 1200 == 360) Ask(device, "stream stop\n");
  if (second % 60 == 30) Ask(device, "status\n");
  if (second % 600 == 77) Ask(device, "what is this\n");
  if (second % 3600 == 1801) device->Disconnected();
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return 2;
  const std::uint64_t minutes = static_cast<std::uint64_t>(std::atoll(arguments[1]));
  step_us = static_cast<std::uint32_t>(std::atoi(arguments[2]));
  const std::uint32_t other_us = static_cast<std::uint32_t>(std::atoi(arguments[3]));
  unsigned char bytes[2];
  while (std::fread(bytes, 1, 2, stdin) == 2) {
    speech.push_back(static_cast<std::int16_t>(bytes[0] | bytes[1] << 8));
  }
  static ser::Device device(Microseconds, {"virtual time", "power", 4000, nullptr});
  listening = &device;
  if (device.Begin() != ser::Status::kOk) return 1;
  Host host;
  std::uint64_t second = 0;
  for (std::uint64_t hour = 1; time_us < minutes * 60000000u;) {
    if (time_us / 1000000 > second) Talk(&device, second = time_us / 1000000);
    const bool worked = device.Poll();
    PassTime(worked ? other_us + 500 : 1000);
    std::uint8_t sent[256];
    for (std::size_t n; (n = device.TakeBytes(sent, sizeof(sent))) > 0;) host.Take(sent, n);
    if (time_us / 60000000 < (hour * 60 < minutes ? hour * 60 : minutes)) continue;
    ++hour;
    const Counts& c = host.counts;
    std::printf("%u %u %u %u %u %u %u %u %u %s\n", static_cast<unsigned>(time_us / 60000000), c.begun,
                c.ended, c.decisions, c.answered, c.faults, c.statuses, c.lines, c.broken, host.status.c_str());
    std::fflush(stdout);
  }
  return 0;
}
