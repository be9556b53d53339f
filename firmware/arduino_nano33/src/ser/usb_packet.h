// Bytes for a host behind USB, so that it gets all of them at once.
#ifndef SER_USB_PACKET_H_
#define SER_USB_PACKET_H_

#include <cstddef>
#include <cstdint>

namespace ser {

// A host takes a full packet of 64 bytes for a part of something longer and waits for the rest; an
// empty packet would end it, and the Arduino core sends none (mbed-os#15384). So a packet is never
// full.
constexpr std::size_t kUsbPacket = 63;

// Takes the next bytes by `take(bytes, count)`, which gives how many there are, and sends them by
// `write(bytes, count)`. False if there are none.
template <typename Take, typename Write>
bool SendPacket(Take take, Write write) {
  std::uint8_t bytes[kUsbPacket];
  const std::size_t count = take(bytes, sizeof(bytes));
  if (count > 0) write(bytes, count);
  return count > 0;
}

}  // namespace ser

#endif
