// The board without a board: src/ser behind a pseudo-terminal, with a recording as its microphone.
//
//   virtual_board SAMPLES SPEED
//
// SAMPLES: 16-bit little-endian mono samples at the model's rate. SPEED: 1 is real time, 4 four times
// as fast, 0 as fast as can be. The path of the terminal is printed on the first line. The recording
// begins when a host first asks for the stream; before and after it the microphone hears nothing but
// its own noise. A host that does not keep up is waited for, which a real microphone could not. The
// program ends when its standard input is closed.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "model/feature_settings.h"
#include "ser/device.h"

namespace {

constexpr std::size_t kBuffer = 256;  // samples that the driver brings at once

std::uint32_t Microseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

class Microphone {
 public:
  bool Load(const char* path) {
    std::FILE* file = std::fopen(path, "rb");
    if (file == nullptr) return false;
    unsigned char bytes[2];
    while (std::fread(bytes, 1, 2, file) == 2) {
      samples_.push_back(static_cast<std::int16_t>(bytes[0] | bytes[1] << 8));
    }
    std::fclose(file);
    return true;
  }

  void Play() { playing_ = true; }

  void Next(std::int16_t* samples, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      samples[i] = playing_ && at_ < samples_.size() ? samples_[at_++] : Noise();
    }
  }

 private:
  std::int16_t Noise() {  // -3 to 3
    noise_ = noise_ * 1664525u + 1013904223u;
    return static_cast<std::int16_t>((noise_ >> 16) % 7) - 3;
  }

  std::vector<std::int16_t> samples_;
  std::size_t at_ = 0;
  bool playing_ = false;
  std::uint32_t noise_ = 1;
};

int OpenTerminal() {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) return -1;
  termios settings;
  if (tcgetattr(terminal, &settings) != 0) return -1;
  cfmakeraw(&settings);  // no echo: the host's bytes are for the device alone
  if (tcsetattr(terminal, TCSANOW, &settings) != 0) return -1;
  if (fcntl(terminal, F_SETFL, O_NONBLOCK) != 0) return -1;
  return terminal;
}

// Sends what the device has to say; what the terminal does not take yet is kept in `rest`.
void Send(int terminal, bool connected, ser::Device* device, std::vector<std::uint8_t>* rest) {
  for (;;) {
    if (rest->empty()) {
      rest->resize(512);
      rest->resize(device->TakeBytes(rest->data(), rest->size()));
      if (rest->empty()) return;
    }
    if (!connected) {  // like USB without a host
      rest->clear();
      continue;
    }
    const ssize_t sent = write(terminal, rest->data(), rest->size());
    if (sent <= 0) return;
    rest->erase(rest->begin(), rest->begin() + sent);
  }
}

int Run(ser::Device* device, Microphone* microphone, int terminal, double speed) {
  using Clock = std::chrono::steady_clock;
  std::vector<std::uint8_t> rest;
  bool connected = false;
  const Clock::time_point began = Clock::now();
  double brought = 0.0;  // samples
  for (;;) {
    pollfd watched[] = {{terminal, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    const bool hurry = speed == 0.0 && device->streaming();
    if (poll(watched, 2, hurry ? 0 : 1) < 0 && errno != EINTR) return 1;
    if (watched[1].revents != 0) {
      char byte;
      if (read(STDIN_FILENO, &byte, 1) <= 0) return 0;
    }
    const bool now = (watched[0].revents & POLLHUP) == 0;
    if (connected && !now) device->Disconnected();
    connected = now;
    if ((watched[0].revents & POLLIN) != 0 && device->WantsBytes()) {
      std::uint8_t bytes[ser::Device::kMostReceived];
      const ssize_t count = read(terminal, bytes, sizeof(bytes));
      if (count > 0 && connected) device->Receive(bytes, static_cast<std::size_t>(count));
    }
    if (device->streaming()) microphone->Play();
    const std::chrono::duration<double> seconds = Clock::now() - began;
    const double due = seconds.count() * speed * ser::model::kSampleRate;
    const double most = brought + 16 * kBuffer;  // before it looks at the host again
    std::int16_t samples[kBuffer];
    while (speed > 0.0 ? brought + kBuffer <= due : hurry && brought < most) {
      if (!rest.empty()) break;  // it waits for a slow host; a real one could not
      microphone->Next(samples, kBuffer);
      device->OnMicrophone(samples, kBuffer);
      brought += kBuffer;
      device->Poll();
      Send(terminal, connected, device, &rest);
    }
    device->Poll();
    Send(terminal, connected, device, &rest);
    if (!connected) usleep(2000);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: virtual_board SAMPLES SPEED\n");
    return 2;
  }
  Microphone microphone;
  if (!microphone.Load(arguments[1])) {
    std::fprintf(stderr, "virtual_board: %s cannot be read\n", arguments[1]);
    return 1;
  }
  const int terminal = OpenTerminal();
  const char* name = terminal < 0 ? nullptr : ptsname(terminal);
  const int slave = name == nullptr ? -1 : open(name, O_RDWR | O_NOCTTY);
  if (slave < 0) {
    std::perror("virtual_board: no pseudo-terminal");
    return 1;
  }
  close(slave);  // from now on POLLHUP says that no host has it open
  static ser::Device device(Microseconds, {"virtual board", "power", 0, nullptr});
  device.Begin();
  std::printf("%s\n", name);
  std::fflush(stdout);
  return Run(&device, &microphone, terminal, std::atof(arguments[2]));
}
