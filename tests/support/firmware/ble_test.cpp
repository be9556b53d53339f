// The sketch's Bluetooth, with a phone that walks away: the loop never waits for it.
#define SER_BLE 1
#include BLE_SOURCE

#include <cstdio>
#include <cstdlib>

#define CHECK(condition)                                                    \
  do {                                                                      \
    if (!(condition)) {                                                     \
      std::fprintf(stderr, "line %d: expected %s\n", __LINE__, #condition); \
      std::exit(1);                                                         \
    }                                                                       \
  } while (false)

FakePhone phone;
FakeBle BLE;
std::string last_label;

static std::uint32_t Nothing() { return 0; }

// The longest that a call of TellBle took, in milliseconds.
static double Tell(std::uint32_t from, std::uint32_t to) {
  double longest = 0.0;
  for (std::uint32_t number = from; number <= to; ++number) {
    ser::Device::Told told = {number, {static_cast<int>(number) % 2, true, 20, 10, {}}};
    const auto began = std::chrono::steady_clock::now();
    board::TellBle(told);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
    if (took.count() > longest) longest = took.count();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return longest;
}

static bool Within(int milliseconds, bool (*condition)()) {
  for (int i = 0; i < milliseconds; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

int main() {
  static ser::Device device(Nothing, {"board", "power", 0, nullptr});
  phone.away = true;  // even its begin does not come back
  const auto began = std::chrono::steady_clock::now();
  board::BeginBle(&device);
  CHECK(Tell(1, 50) < 1000.0);
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(20));
  CHECK(phone.begun == 0 && phone.notified == 0);
  phone.away = false;
  CHECK(Within(10000, [] { return phone.notified == 1; }));  // the newest of fifty
  CHECK(last_label == ser::LabelName(0));
  phone.away = true;
  Tell(51, 101);
  phone.away = false;
  CHECK(Within(10000, [] { return phone.notified >= 2; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(phone.notified <= 3 && last_label == ser::LabelName(1));
  std::quick_exit(0);  // the sketch's thread has no end
}
