// The same net on this computer: normalised features of int8 from standard input, clip after clip,
// answers of int8 to standard output.
#include <cstdint>
#include <cstdio>

#include "../ser/conv_net.h"

int main() {
  static ser::ConvNet net;
  static std::int8_t input[ser::model::kConvInputCount];
  static std::int8_t output[ser::model::kDirectClassCount];
  while (std::fread(input, 1, sizeof(input), stdin) == sizeof(input)) {
    net.Answer(input, output);
    if (std::fwrite(output, 1, sizeof(output), stdout) != sizeof(output)) return 1;
  }
  return 0;
}
