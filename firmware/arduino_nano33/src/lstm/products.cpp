#include "products.h"

#if defined(__ARM_FEATURE_DSP) && !defined(SER_PORTABLE)

// Of a row, in r3 and lr: two words of two weights, for SMLAD with inputs 0 and 2, 1 and 3.
#define ROW(pointer, sum)          \
  "ldr r3, [" pointer "], #4\n"    \
  "sxtb16 lr, r3, ror #8\n"        \
  "sxtb16 r3, r3\n"                \
  "smlad " sum ", r3, r0, " sum "\n" \
  "smlad " sum ", lr, r2, " sum "\n"

#define BLOCK                 \
  "ldrd r0, r2, [r1], #8\n"   \
  ROW("r4", "r8")             \
  ROW("r5", "r9")             \
  ROW("r6", "r10")            \
  ROW("r7", "r11")

// r4 to r7: the rows; r8 to r11: their sums; r12: blocks, two at a time. Every register is needed,
// which a compiler would not see. Rows of odd widths are read unaligned: LDR may do that.
extern "C" __attribute__((naked)) void LstmAddBlocks(const std::int8_t* const*, const std::int16_t*,
                                                     std::int32_t, std::int32_t*) {
  asm volatile(
      ".syntax unified\n"
      "push {r3, r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"
      "ldm r0, {r4, r5, r6, r7}\n"
      "ldm r3, {r8, r9, r10, r11}\n"
      "lsrs r12, r2, #1\n"  // the carry: whether one block is over
      "bcc 1f\n"            //
      BLOCK                 //
      "cmp r12, #0\n"
      "beq 2f\n"
      "1:\n"  //
      BLOCK   //
      BLOCK   //
      "subs r12, r12, #1\n"
      "bne 1b\n"
      "2:\n"
      "ldr r3, [sp], #4\n"
      "stm r3, {r8, r9, r10, r11}\n"
      "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n");
}

#endif
