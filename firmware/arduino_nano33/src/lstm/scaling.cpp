#include "scaling.h"

#include <cmath>

namespace lstm {

bool MakeScaling(double factor, Scaling* scaling) {
  // Written so that a factor that is no number is refused too.
  if (!(factor >= 1.0 / (1 << 30) && factor < 2147483648.0)) return false;
  int exponent;
  const double fraction = std::frexp(factor, &exponent);
  std::int64_t multiplier = std::llround(fraction * 2147483648.0);
  if (multiplier == std::int64_t{1} << 31) {
    multiplier /= 2;
    ++exponent;
  }
  scaling->multiplier = static_cast<std::int32_t>(multiplier);
  scaling->doublings = 1 + (exponent > 0 ? exponent : 0);
  scaling->shift = exponent < 0 ? -exponent : 0;
  scaling->half = scaling->shift > 0 ? 1 << (scaling->shift - 1) : 0;
  scaling->sign = scaling->shift > 0 ? 1 : 0;
  return true;
}

}  // namespace lstm
