// What goes wrong on a desk and not in a laboratory: USB packets, a phone that walks away, late
// interrupts, a microphone that was switched off, speech in the middle of a fault.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "ser/device.h"
#include "ser/mailbox.h"
#include "ser/pdm_buffers.h"
#include "ser/usb_packet.h"

#define CHECK(condition)                                                    \
  do {                                                                      \
    if (!(condition)) {                                                     \
      std::fprintf(stderr, "line %d: expected %s\n", __LINE__, #condition); \
      std::exit(1);                                                         \
    }                                                                       \
  } while (false)

using namespace ser;

namespace {

std::uint32_t clock_us = 0;
std::uint32_t Microseconds() { return clock_us; }

std::uint32_t noise = 1;
std::int16_t Noise(std::uint32_t loudness) {
  noise = noise * 1664525u + 1013904223u;
  return static_cast<std::int16_t>(static_cast<std::int32_t>((noise >> 16) % (2 * loudness + 1)) -
                                   static_cast<std::int32_t>(loudness));
}

void Hear(Device* device, int milliseconds, std::uint32_t loudness) {
  for (int i = 0; i < milliseconds / 16; ++i) {
    std::int16_t samples[256];
    for (std::int16_t& sample : samples) sample = Noise(loudness);
    device->OnMicrophone(samples, 256);
    clock_us += 16000;
    device->Poll();
  }
}

std::string Said(Device* device) {
  std::string text;
  std::uint8_t bytes[100];
  std::size_t count;
  while ((count = device->TakeBytes(bytes, sizeof(bytes))) > 0) {
    text.append(reinterpret_cast<const char*>(bytes), count);
  }
  return text;
}

bool Has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

// The number after "name":
double Number(const std::string& text, const char* name) {
  const std::size_t at = text.find(std::string("\"") + name + "\":");
  CHECK(at != std::string::npos);
  return std::atof(text.c_str() + at + std::strlen(name) + 3);
}

// A host hands a program what came when a packet was not full.
class UsbHost {
 public:
  void Packet(const std::uint8_t* bytes, std::size_t count) {
    while (count > 0) {  // the core cuts what is longer
      const std::size_t part = count < 64 ? count : 64;
      waiting_.append(reinterpret_cast<const char*>(bytes), part);
      if (part < 64) {
        seen_ += waiting_;
        waiting_.clear();
      }
      bytes += part;
      count -= part;
    }
  }
  const std::string& seen() const { return seen_; }

 private:
  std::string waiting_;
  std::string seen_;
};

void EveryLineArrivesWhole() {
  for (std::size_t length = 1; length <= 1100; ++length) {
    std::string line(length - 1, 'x');
    line += '\n';
    std::size_t at = 0;
    UsbHost host;
    const auto take = [&](std::uint8_t* bytes, std::size_t count) {
      const std::size_t part = line.copy(reinterpret_cast<char*>(bytes), count, at);
      at += part;
      return part;
    };
    while (SendPacket(take, [&](const std::uint8_t* b, std::size_t n) { host.Packet(b, n); })) {
    }
    CHECK(host.seen() == line);
  }
}

// What the core did before: packets of 64. The host model must see the fault.
void FullPacketsWait() {
  UsbHost host;
  const std::string line(128, 'x');
  host.Packet(reinterpret_cast<const std::uint8_t*>(line.data()), line.size());
  CHECK(host.seen().empty());
}

void TheMailboxKeepsTheNewest() {
  Mailbox<int> mailbox;
  int got = 0;
  CHECK(!mailbox.Take(&got));
  for (int i = 1; i <= 5; ++i) mailbox.Put(i);
  CHECK(mailbox.Take(&got) && got == 5 && mailbox.Dropped() == 4);
  CHECK(!mailbox.Take(&got));

  struct Pair {
    int a, b;
  };
  static Mailbox<Pair> shared;
  constexpr int kMany = 300000;
  std::thread sender([] {
    for (int i = 1; i <= kMany; ++i) shared.Put({i, -i});
  });
  int last = 0;
  std::uint32_t taken = 0;
  while (last < kMany) {
    Pair pair;
    if (!shared.Take(&pair)) continue;
    CHECK(pair.a == -pair.b && pair.a > last);  // whole, and newer than the one before
    last = pair.a;
    ++taken;
  }
  sender.join();
  CHECK(taken + shared.Dropped() == kMany);
}

// The peripheral: it fills a buffer, takes the address that it was given last, and says so.
struct Pdm {
  std::int16_t* filling = nullptr;
  std::int16_t* next = nullptr;
  std::int16_t value = 0;  // each turn has a number, and fills its buffer with it
};

struct Heard {
  std::vector<int> turns;
  std::uint32_t lost = 0;
  int late = 0;
  int torn = 0;  // buffers that are not of one turn
};

// `delay_us(turn)`: how late the interrupt of that turn comes.
template <typename Delay>
Heard Transfer(int turns, Delay delay_us) {
  PdmBuffers buffers;
  Pdm pdm;
  Heard heard;
  constexpr std::uint32_t kTurn = PdmBuffers::kTurnUs;
  const auto fill = [&](int part, std::int16_t value) {  // the first or the second half
    const std::size_t half = PdmBuffers::kSamples / 2;
    for (std::size_t i = 0; i < half; ++i) pdm.filling[static_cast<std::size_t>(part) * half + i] = value;
  };
  const auto start = [&] {
    pdm.next = buffers.First();
    pdm.filling = pdm.next;
  };
  start();
  std::uint32_t now = 0xffff0000u;  // wraps around soon
  std::int64_t due = delay_us(0);   // of the pending interrupt, from the beginning; -1: none
  for (int turn = 0; turn < turns; ++turn) {
    ++pdm.value;
    for (int part = 0; part < 2; ++part) {
      fill(part, pdm.value);
      const std::int64_t end = static_cast<std::int64_t>(turn) * kTurn + (part + 1) * kTurn / 2;
      if (due < 0 || due >= end) continue;
      const PdmBuffers::Turn said = buffers.Started(now + static_cast<std::uint32_t>(due));
      if (said.finished != nullptr) {
        const int first = said.finished[0];
        heard.torn += first != said.finished[PdmBuffers::kSamples - 1];
        heard.turns.push_back(first);
      }
      heard.lost += said.lost;
      heard.late += said.late;
      if (said.again) {
        start();
        const std::int64_t began = static_cast<std::int64_t>(turn + 1) * kTurn;
        due = began + delay_us(turn + 1);
        break;  // the rest of this turn is thrown away; the transfer begins with the next
      }
      pdm.next = said.next;
      due = -1;
    }
    const std::int64_t began = static_cast<std::int64_t>(turn + 1) * kTurn;
    pdm.filling = pdm.next;
    if (due < 0) due = began + delay_us(turn + 1);
  }
  return heard;
}

void OnlyFinishedBuffersAreHeard() {
  const Heard good = Transfer(2000, [](int) { return 20; });
  CHECK(good.lost == 0 && good.late == 0 && good.torn == 0);
  CHECK(good.turns.size() == 1999);

  // Up to most of a turn late: counted, and nothing is lost.
  const Heard slow = Transfer(2000, [](int turn) { return turn % 7 == 3 ? 12000 : 50; });
  CHECK(slow.lost == 0 && slow.torn == 0 && slow.turns.size() == 1999);
  CHECK(slow.late > 280 && slow.late < 290);

  // Later than a turn: what is heard is whole and in order, and the gap is counted.
  const Heard lossy = Transfer(2000, [](int turn) { return turn % 100 == 50 ? 40000 : 50; });
  CHECK(lossy.torn == 0 && lossy.lost > 0);
  int before = 0;
  for (const int turn : lossy.turns) {
    CHECK(turn > before);
    before = turn;
  }
  const std::uint32_t heard = static_cast<std::uint32_t>(lossy.turns.size() * PdmBuffers::kSamples);
  const std::uint32_t missing = 2000u * PdmBuffers::kSamples - heard;
  CHECK(lossy.lost <= missing && missing - lossy.lost <= 40 * PdmBuffers::kSamples);
}

// Five seconds after an overrun somebody is speaking: nothing happens to the sentence.
void RecoveryWaitsForTheEndOfSpeech() {
  static Device device(Microseconds, {"board", "power", 0, nullptr});
  CHECK(device.Begin() == Status::kOk);
  Hear(&device, 8000, 6);
  Said(&device);
  std::int16_t samples[256] = {};
  for (int i = 0; i < 20; ++i) device.OnMicrophone(samples, 256);
  Hear(&device, 3008, 6);
  CHECK(device.led().blink_code == 5);
  Hear(&device, 4800, 3000);  // two seconds of it are after the five
  const std::string said = Said(&device);
  CHECK(Has(said, "\"state\":\"begin\"") && !Has(said, "recovered"));
  CHECK(device.led().speech && device.led().blink_code == 5);
  // The floor is that of the room, not that of speech: so speech that goes on is heard to its end.
  const std::size_t begin = said.find("\"state\":\"begin\"");
  CHECK(Number(said.substr(begin), "level_db") - Number(said.substr(begin), "floor_db") > 20);
  Hear(&device, 1600, 6);
  const std::string after = Said(&device);
  CHECK(Has(after, "\"state\":\"end\"") && Has(after, "recovered"));
  CHECK(after.find("\"state\":\"end\"") < after.find("recovered"));
  CHECK(device.led().blink_code == 0);
}

// An overrun itself ends the window, for there is a gap; but the room is still known.
void AnOverrunKeepsTheFloor() {
  static Device device(Microseconds, {"board", "power", 0, nullptr});
  CHECK(device.Begin() == Status::kOk);
  Hear(&device, 8000, 6);
  Hear(&device, 960, 3000);
  Said(&device);
  std::int16_t samples[256] = {};
  for (int i = 0; i < 20; ++i) device.OnMicrophone(samples, 256);
  Hear(&device, 480, 3000);  // they speak on
  std::string said = Said(&device);
  CHECK(Has(said, "\"state\":\"begin\""));
  said = said.substr(said.find("\"state\":\"begin\""));
  CHECK(Number(said, "level_db") - Number(said, "floor_db") > 20);
}

// The microphone was switched off and on: what it gives at first is no sound.
void ItSettlesAgain() {
  static Device device(Microseconds, {"board", "power", 4000, nullptr});
  CHECK(device.Begin() == Status::kOk);
  Hear(&device, 4800, 6);
  CHECK(!device.led().settling);
  device.SetMicrophoneFault("it stopped");
  device.MicrophoneStarted();
  Said(&device);
  Hear(&device, 80, 12000);
  CHECK(device.led().settling && device.led().blink_code == 0);
  for (int loudness = 12000; loudness > 6; loudness -= loudness / 12 + 1) {
    Hear(&device, 64, static_cast<std::uint32_t>(loudness));
  }
  Hear(&device, 3200, 6);
  const std::string said = Said(&device);
  CHECK(!device.led().settling);
  CHECK(Has(said, "recovered") && !Has(said, "speech") && !Has(said, "decision"));
  Hear(&device, 320, 3000);
  CHECK(device.led().speech);
}

void WhatTheDriverLostIsSaid() {
  static Device device(Microseconds, {"board", "power", 0, nullptr});
  CHECK(device.Begin() == Status::kOk);
  Hear(&device, 1600, 6);
  device.OnMicrophoneLate();
  device.OnMicrophoneLost(512);
  Hear(&device, 160, 6);
  const char* const ask = "status\n";
  device.Receive(reinterpret_cast<const std::uint8_t*>(ask), std::strlen(ask));
  const std::string said = Said(&device);
  CHECK(Has(said, "\"reason\":\"overrun\"") && Has(said, "\"late_buffers\":1"));
  CHECK(Has(said, "\"lost_samples\":512"));
}

}  // namespace

int main() {
  EveryLineArrivesWhole();
  FullPacketsWait();
  TheMailboxKeepsTheNewest();
  OnlyFinishedBuffersAreHeard();
  RecoveryWaitsForTheEndOfSpeech();
  AnOverrunKeepsTheFloor();
  ItSettlesAgain();
  WhatTheDriverLostIsSaid();
  return 0;
}
