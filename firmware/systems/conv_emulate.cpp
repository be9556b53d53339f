// The net on the bare processor. engine.in: normalised features of int8, clip after clip;
// engine.out: the answers. With a file measure.in, each layer is first run at one position, and the
// Dense layer once, to be counted.
#include <cstdint>

#include "../emulate/semihosting.h"
#include "../ser/conv_net.h"

namespace {

ser::ConvNet net;

void Measure() {
  std::int8_t output[ser::model::kDirectClassCount];
  for (int layer = 0; layer < ser::model::kConvCount; ++layer) {
    net.Position(layer, ser::ConvNet::Positions(layer) / 2);
  }
  net.Finish(output);
}

}  // namespace

int main() {
  if (emulate::Open("measure.in", emulate::kReadBinary) >= 0) Measure();
  const int in = emulate::Open("engine.in", emulate::kReadBinary);
  const int out = emulate::Open("engine.out", emulate::kWriteBinary);
  if (in < 0 || out < 0) return 1;
  std::int8_t input[ser::model::kConvInputCount];
  std::int8_t output[ser::model::kDirectClassCount];
  while (emulate::Read(in, input, sizeof(input)) == sizeof(input)) {
    net.Answer(input, output);
    if (!emulate::Write(out, output, sizeof(output))) return 1;
  }
  return 0;
}
