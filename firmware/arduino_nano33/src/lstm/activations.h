// Sigmoid and tanh of int16 as TFLite Micro interpolates them, to the bit.
#ifndef LSTM_ACTIVATIONS_H_
#define LSTM_ACTIVATIONS_H_

#include <cstdint>

#include "scaling.h"

namespace lstm {

// TFLite Micro has a table of 65536 * sigmoid(i / 24), i from 0 to 255, and draws lines between its
// entries. This is one of them, with all rounding put in: 2^25 * sigmoid + 2^9.
struct Piece {
  std::int32_t start;
  std::int32_t slope;
};

constexpr int kPieces = 512;  // half of them of negative x
struct Pieces {
  Piece piece[kPieces];
};
extern const Pieces kSigmoid;

// `place` is 3 * 2^12 * x, one off if x is negative: ~(3 * 2^12 * |x|). So the pieces of negative x
// begin where those of positive x end, as rounding is another there.
LSTM_INLINE std::int32_t Interpolate(std::int32_t place) {
  const Piece* middle = kSigmoid.piece + kPieces / 2;
#if defined(__ARM_FEATURE_DSP) && !defined(SER_PORTABLE)
  asm("" : "+r"(middle));  // or the half would be added to each place
  const Piece* const at = middle + (place >> 9);
  Piece piece;
  asm("ldrd %0, %1, [%2]" : "=r"(piece.start), "=r"(piece.slope) : "r"(at), "m"(*at));
#else
  const Piece piece = middle[place >> 9];
#endif
  return piece.start + piece.slope * (place & 511);
}

// Both take 3 * x, where x has 2^12 for 1, and give 2^15 for 1.
LSTM_INLINE std::int32_t Sigmoid(std::int32_t triple) {
  return Interpolate(triple + (triple >> 31)) >> 10;
}

// tanh(x) = 2 * sigmoid(2 * x) - 1; x may be of any size: the table's ends are flat.
LSTM_INLINE std::int32_t Tanh(std::int32_t triple) {
  std::int32_t place = 2 * triple + (triple >> 31);
#if defined(__ARM_FEATURE_SAT) && !defined(SER_PORTABLE)
  asm("ssat %0, #18, %0" : "+r"(place) : : "cc");
#else
  constexpr std::int32_t kEnd = 256 << 9;
  place = place < -kEnd ? -kEnd : place >= kEnd ? kEnd - 1 : place;
#endif
  return (Interpolate(place) - (1 << 24) - (1 << 8)) >> 9;
}

}  // namespace lstm

#endif
