// Sums of products of four rows of int8 weights with the same inputs: where the time goes.
#ifndef LSTM_PRODUCTS_H_
#define LSTM_PRODUCTS_H_

#include <cstdint>
#include <cstring>

#include "scaling.h"

namespace lstm {

struct Sums {
  std::int32_t row[4];
};

// Rows as a model file has them. Inputs are int16, four at a time in the order 0, 2, 1, 3, for the
// bytes of a word of weights come apart as 0 and 2, 1 and 3.
constexpr int kOrder[4] = {0, 2, 1, 3};

// Adds the products of `blocks` times four inputs, 1 or more, to the sums.
#if defined(__ARM_FEATURE_DSP) && !defined(SER_PORTABLE)
extern "C" void LstmAddBlocks(const std::int8_t* const rows[4], const std::int16_t* input,
                              std::int32_t blocks, std::int32_t sums[4]);
inline void AddBlocks(const std::int8_t* const rows[4], const std::int16_t* input, int blocks,
                      Sums* sums) {
  LstmAddBlocks(rows, input, blocks, sums->row);
}
#else
inline void AddBlocks(const std::int8_t* const rows[4], const std::int16_t* input, int blocks,
                      Sums* sums) {
  for (int r = 0; r < 4; ++r) {
    const std::int8_t* row = rows[r];
    std::int32_t sum = sums->row[r];
    for (int at = 0; at < 4 * blocks; at += 4) {
      for (int i = 0; i < 4; ++i) sum += row[at + kOrder[i]] * input[at + i];
    }
    sums->row[r] = sum;
  }
}
#endif

// Adds the products of `count` inputs. What is missing to the last four inputs must be zero; no
// weight beyond a row's end is read.
inline void AddProducts(const std::int8_t* const rows[4], const std::int16_t* input, int count,
                        Sums* sums) {
  const int blocks = count / 4;
  const int rest = count % 4;
  if (blocks > 0) AddBlocks(rows, input, blocks, sums);
  if (rest == 0) return;
  for (int r = 0; r < 4; ++r) {
    std::int8_t last[4] = {};
    std::memcpy(last, rows[r] + 4 * blocks, static_cast<std::size_t>(rest));
    for (int i = 0; i < 4; ++i) sums->row[r] += last[kOrder[i]] * input[4 * blocks + i];
  }
}

// Rows packed two and two: a word of 16 bits is 256 * a + b, with a of one row and b of the next,
// for four inputs 8 words: rows 0 and 1 of two inputs, rows 2 and 3 of the same, then both of the
// other two. Inputs are int16 in their own order. No weight is -128, and no row's sum 2^23.
//
// One dual multiply takes both rows of a word: its sum is 256 * A + B. SXTB16 leaves the b, whose
// sum B goes to another register, and A is what is left: three instructions for four products.

#if defined(__ARM_FEATURE_DSP) && !defined(SER_PORTABLE)

#define LSTM_FOUR_INPUTS                    \
  "ldmia %[weights]!, {r8, r9, r10, r11}\n" \
  "ldrd %[x], %[y], [%[input]], #8\n"       \
  "smlad %[wide01], r8, %[x], %[wide01]\n"  \
  "smlad %[wide23], r9, %[x], %[wide23]\n"  \
  "sxtb16 r8, r8\n"                         \
  "sxtb16 r9, r9\n"                         \
  "smlad %[row1], r8, %[x], %[row1]\n"      \
  "smlad %[row3], r9, %[x], %[row3]\n"      \
  "smlad %[wide01], r10, %[y], %[wide01]\n" \
  "smlad %[wide23], r11, %[y], %[wide23]\n" \
  "sxtb16 r10, r10\n"                       \
  "sxtb16 r11, r11\n"                       \
  "smlad %[row1], r10, %[y], %[row1]\n"     \
  "smlad %[row3], r11, %[y], %[row3]\n"

// Four biases and the products of `count` inputs, a positive multiple of 4, with four packed rows;
// moves on in the weights. A bias that is in both sums of a word falls out of their difference.
LSTM_INLINE Sums MultiplyPacked(const std::int32_t* bias, const std::int16_t*& weights,
                           const std::int16_t* input, int count) {
  std::int32_t row1 = bias[1];
  std::int32_t row3 = bias[3];
  std::int32_t wide01 = row1;
  std::int32_t wide23 = row3;
  std::int32_t x;
  std::int32_t y;
  asm volatile(
      "lsrs %[count], %[count], #3\n"  // the carry: whether a block of four is over
      "bcc 1f\n"                       //
      LSTM_FOUR_INPUTS                 //
      "1:\n"                           //
      "lsrs %[count], %[count], #1\n"  // or two more
      "bcc 2f\n"                       //
      LSTM_FOUR_INPUTS                 //
      LSTM_FOUR_INPUTS                 //
      "2:\n"                           //
      "lsrs %[count], %[count], #1\n"  // or four more
      "bcc 3f\n"                       //
      LSTM_FOUR_INPUTS                 //
      LSTM_FOUR_INPUTS                 //
      LSTM_FOUR_INPUTS                 //
      LSTM_FOUR_INPUTS                 //
      "3:\n"                           //
      "beq 5f\n"                       // SMLAD has left the flags alone
      "4:\n"                           //
      LSTM_FOUR_INPUTS                 //
      LSTM_FOUR_INPUTS                 //
      LSTM_FOUR_INPUTS                 //
      LSTM_FOUR_INPUTS                 //
      LSTM_FOUR_INPUTS                 //
      LSTM_FOUR_INPUTS                 //
      LSTM_FOUR_INPUTS                 //
      LSTM_FOUR_INPUTS                 //
      "subs %[count], #1\n"            //
      "bne 4b\n"                       //
      "5:\n"
      : [weights] "+r"(weights), [input] "+r"(input), [count] "+l"(count), [wide01] "+r"(wide01),
        [wide23] "+r"(wide23), [row1] "+r"(row1), [row3] "+r"(row3), [x] "=&r"(x), [y] "=&r"(y)
      :
      : "r8", "r9", "r10", "r11", "cc", "memory");
  return {{bias[0] + ((wide01 - row1) >> 8), row1, bias[2] + ((wide23 - row3) >> 8), row3}};
}

#undef LSTM_FOUR_INPUTS

#else

inline std::int32_t LowByte(std::int16_t pair) { return static_cast<std::int8_t>(pair & 0xff); }
inline std::int32_t HighByte(std::int16_t pair) { return (pair - LowByte(pair)) / 256; }

LSTM_INLINE Sums MultiplyPacked(const std::int32_t* bias, const std::int16_t*& weights,
                           const std::int16_t* input, int count) {
  Sums sums = {{bias[0], bias[1], bias[2], bias[3]}};
  for (; count > 0; count -= 2, weights += 4, input += 2) {
    for (int i = 0; i < 2; ++i) {
      sums.row[0] += HighByte(weights[i]) * input[i];
      sums.row[1] += LowByte(weights[i]) * input[i];
      sums.row[2] += HighByte(weights[2 + i]) * input[i];
      sums.row[3] += LowByte(weights[2 + i]) * input[i];
    }
  }
  return sums;
}

#endif

}  // namespace lstm

#endif
