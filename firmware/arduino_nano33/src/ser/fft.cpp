#include "fft.h"

#include "../model/feature_tables.h"
#include "exact.h"

namespace ser {
namespace {

constexpr int kHalf = model::kFftLength / 2;  // complex values: even samples, i * odd samples

constexpr bool OddPower(int value) { return value > 1 && (value == 2 || !OddPower(value / 2)); }

constexpr int kFirst = OddPower(kHalf) ? 8 : 4;  // values that the first pass joins

static_assert((model::kFftLength & (model::kFftLength - 1)) == 0, "expected a power of two");
static_assert(model::kTableFftLength == model::kFftLength, "tables are of another length");

struct Complex {
  float re;
  float im;
};

inline Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
inline Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
inline Complex operator*(Complex a, Complex b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
inline Complex TimesMinusI(Complex a) { return {a.im, -a.re}; }

inline Complex Load(const float* p) { return {p[0], p[1]}; }
inline void Store(float* p, Complex value) {
  p[0] = value.re;
  p[1] = value.im;
}

// Joins four values, a step apart, into their spectrum; a to d are multiplied by their turns.
inline void JoinFour(Complex a, Complex b, Complex c, Complex d, float* to, int step) {
  const Complex sum = a + c;
  const Complex difference = a - c;
  const Complex other_sum = b + d;
  const Complex turned = TimesMinusI(b - d);
  Store(to, sum + other_sum);
  Store(to + step, difference + turned);
  Store(to + 2 * step, sum - other_sum);
  Store(to + 3 * step, difference - turned);
}

// 1 / sqrt(2) * (1 - i) * a, and the same turned by another -i.
inline Complex TurnEighth(Complex a) {
  constexpr float kRoot = 0.70710678118654752f;
  return {kRoot * (a.re + a.im), kRoot * (a.im - a.re)};
}

// The first pass takes its values kHalf / kFirst apart and puts their spectrum side by side, groups
// in the order that the later passes join: bits of the group's number reversed.
inline void FirstFour(const float* from, float* to) {
  constexpr int kApart = 2 * (kHalf / 4);
  JoinFour(Load(from), Load(from + kApart), Load(from + 2 * kApart), Load(from + 3 * kApart), to,
           2);
}

inline void FirstEight(const float* from, float* to) {
  constexpr int kApart = 2 * (kHalf / 8);
  const Complex a0 = Load(from);
  const Complex a4 = Load(from + 4 * kApart);
  const Complex a2 = Load(from + 2 * kApart);
  const Complex a6 = Load(from + 6 * kApart);
  const Complex even0 = a0 + a4;
  const Complex even1 = a0 - a4;
  const Complex even2 = a2 + a6;
  const Complex even3 = TimesMinusI(a2 - a6);
  const Complex a1 = Load(from + kApart);
  const Complex a5 = Load(from + 5 * kApart);
  const Complex a3 = Load(from + 3 * kApart);
  const Complex a7 = Load(from + 7 * kApart);
  const Complex odd0 = a1 + a5;
  const Complex odd1 = a1 - a5;
  const Complex odd2 = a3 + a7;
  const Complex odd3 = TimesMinusI(a3 - a7);
  const Complex e0 = even0 + even2;
  const Complex o0 = odd0 + odd2;
  Store(to, e0 + o0);
  Store(to + 8, e0 - o0);
  const Complex e2 = even0 - even2;
  const Complex o2 = TimesMinusI(odd0 - odd2);
  Store(to + 4, e2 + o2);
  Store(to + 12, e2 - o2);
  const Complex e1 = even1 + even3;
  const Complex o1 = TurnEighth(odd1 + odd3);
  Store(to + 2, e1 + o1);
  Store(to + 10, e1 - o1);
  const Complex e3 = even1 - even3;
  const Complex o3 = TimesMinusI(TurnEighth(odd1 - odd3));
  Store(to + 6, e3 + o3);
  Store(to + 14, e3 - o3);
}

}  // namespace

void PowerSpectrum(float* signal, float* work) {
  // The group that comes next in `work` has the digits (of two bits each) of its place reversed.
  constexpr int kGroups = kHalf / kFirst;
  int group = 0;
  for (int place = 0; place < kGroups; ++place) {
    if (kFirst == 8) {
      FirstEight(signal + 2 * group, work + 2 * 8 * place);
    } else {
      FirstFour(signal + 2 * group, work + 2 * 4 * place);
    }
    int digit = kGroups / 4;
    while (digit > 0 && (group & (3 * digit)) == 3 * digit) {
      group -= 3 * digit;
      digit /= 4;
    }
    group += digit;
  }

  const float* twiddle = model::kFftTwiddles;
  for (int joined = kFirst; joined < kHalf; joined *= 4) {
    const int step = 2 * joined;
    for (int k = 0; k < joined; ++k) {
      const Complex turn1 = Load(twiddle);
      const Complex turn2 = Load(twiddle + 2);
      const Complex turn3 = Load(twiddle + 4);
      twiddle += 6;
      float* const end = work + 2 * kHalf;
      for (float* p = work + 2 * k; p < end; p += 4 * step) {
        JoinFour(Load(p), Load(p + step) * turn1, Load(p + 2 * step) * turn2,
                 Load(p + 3 * step) * turn3, p, step);
      }
    }
  }

  // The spectra of even and odd samples, E and O, lie in the complex one: X[k] = E + turn * O.
  float* const power = signal;
  const Complex first = Load(work);
  const float sum = 2.0f * (first.re + first.im);
  const float difference = 2.0f * (first.re - first.im);
  power[0] = sum * sum;
  power[kHalf] = difference * difference;
  const float* low = work + 2;
  const float* high = work + 2 * (kHalf - 1);
  const float* split = model::kFftSplit + 2;
  for (int k = 1; k < kHalf / 2; ++k) {
    const Complex a = Load(low);
    const Complex b = Load(high);
    const Complex even = {a.re + b.re, a.im - b.im};
    const Complex odd = Complex{a.im + b.im, b.re - a.re} * Load(split);
    const Complex one = even + odd;
    const Complex other = even - odd;
    power[k] = one.re * one.re + one.im * one.im;
    power[kHalf - k] = other.re * other.re + other.im * other.im;
    low += 2;
    high -= 2;
    split += 2;
  }
  const Complex middle = Load(work + kHalf);
  power[kHalf / 2] = 4.0f * (middle.re * middle.re + middle.im * middle.im);
}

}  // namespace ser
