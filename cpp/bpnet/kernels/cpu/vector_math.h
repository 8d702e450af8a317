// exp, tanh and sigmoid over a vector. Largest errors: exp 2 ulp, tanh 3 ulp, sigmoid 3 ulp (below the
// normal numbers, of the least of them); ±0, ±inf, NaN and denormals come out as IEEE has them.
//
// The polynomials are minimax fits of our own (Remez) to the intervals stated beside them.
#pragma once

#include "bpnet/kernels/cpu/vector.h"

namespace {

template <class T>
struct MathConstants;

template <>
struct MathConstants<float> {
  static constexpr int kMantissaBits = 23, kBias = 127;
  static constexpr float kLeast = -104.0f, kMost = 89.0f;  // exp is 0 below, infinite above
  static constexpr float kRound = 0x1.8p23f;               // adding it rounds to a whole number
  static constexpr float kLog2High = 0x1.62e4p-1f, kLog2Low = 0x1.7f7d1cp-20f;
  // (exp(r) − 1 − r) / r² for |r| ≤ ½ log 2
  static constexpr float kExp[] = {0.49999993432129290236f, 0.16666520399042530069f, 0.041668390783547913136f,
                                   0.0083687451089425906506f, 0.0013814540176801306354f};
  static constexpr float kFar = 10.0f;  // tanh is 1 from here on
};

template <>
struct MathConstants<double> {
  static constexpr int kMantissaBits = 52, kBias = 1023;
  static constexpr double kLeast = -746.0, kMost = 710.0;
  static constexpr double kRound = 0x1.8p52;
  static constexpr double kLog2High = 0x1.62e42fefap-1, kLog2Low = 0x1.cf79abc9e3b3ap-40;
  static constexpr double kExp[] = {
      0.50000000000000000441,    0.16666666666666683487,   0.041666666666666091979,
      0.0083333333333169823687,  0.0013888888889116359378, 0.00019841269896515466487,
      0.00002480158692572155269, 2.7557234727511045223e-6, 2.7557582278659935356e-7,
      2.5112084606524842324e-8,  2.0826583785305146841e-9};
  static constexpr double kFar = 20.0;
};

using Constants = MathConstants<real>;

constexpr integer kSignBit = integer(1) << (8 * sizeof(real) - 1);

inline vec absolute(vec x) { return vec(ivec(x) & ~kSignBit); }

// Σ coefficient[i] xⁱ by halves (Estrin): half as long a chain of multiply-adds as Horner's at this length.
template <size_t kTerms>
inline vec polynomial_of(vec x, const real* coefficient) {
  if constexpr (kTerms == 1) {
    return splat(coefficient[0]);
  } else {
    constexpr size_t kLow = kTerms > 8 ? 8 : kTerms > 4 ? 4 : kTerms > 2 ? 2 : 1;
    vec power = x;
    for (size_t i = 1; i < kLow; i *= 2) power *= power;
    return polynomial_of<kTerms - kLow>(x, coefficient + kLow) * power + polynomial_of<kLow>(x, coefficient);
  }
}

template <size_t kTerms>
inline vec polynomial(vec x, const real (&coefficient)[kTerms]) {
  return polynomial_of<kTerms>(x, coefficient);
}

// 2^n for whole n between the least and the largest exponent of a normal number
inline vec power_of_two(ivec n) { return vec((n + Constants::kBias) << Constants::kMantissaBits); }

// exp(x) = 2^n exp(r), x = n log 2 + r, |r| ≤ ½ log 2
inline vec exp_of(vec x) {
  x = x < Constants::kLeast ? splat(Constants::kLeast) : x;  // NaN stays
  x = x > Constants::kMost ? splat(Constants::kMost) : x;
  const vec shifted = x * real(1.44269504088896340736) + Constants::kRound;
  const vec whole = shifted - Constants::kRound;
  const ivec n = ivec(shifted) - ivec(splat(Constants::kRound));
  const vec r = (x - whole * Constants::kLog2High) - whole * Constants::kLog2Low;
  const vec e = 1 + (r + r * r * polynomial(r, Constants::kExp));
  // In two factors: 2^n itself may be no normal number.
  const ivec half = n >> 1;
  return e * power_of_two(half) * power_of_two(n - half);
}

// Of |x|, the sign put back last, so that −0 stays: with m = exp(2|x|) − 1 it is m / (m + 2), and
// m = 2^n (exp(r) − 1) + (2^n − 1) where 2|x| = n log 2 + r. A short chain: per-sample training waits for it.
inline vec tanh_of(vec x) {
  const vec whole_size = absolute(x);
  const vec size = Constants::kFar < whole_size ? splat(Constants::kFar) : whole_size;  // NaN stays
  const vec shifted = size * real(2 * 1.44269504088896340736) + Constants::kRound;
  const vec whole = shifted - Constants::kRound;
  const vec r = (size + size) - whole * real(0.69314718055994530942);
  const vec square = r * r;
  const vec e = square * polynomial(r, Constants::kExp) + r;
  const vec scale = power_of_two(ivec(shifted) - ivec(splat(Constants::kRound)));
  const vec m = scale * e + (scale - 1);
  return vec(ivec(m / (m + 2)) | (ivec(x) & kSignBit));
}

// exp(−|x|) cannot overflow
inline vec sigmoid(vec x) {
  const vec e = exp_of(-absolute(x));
  return (x < 0 ? e : splat(1)) / (1 + e);
}

// y = function(x), vector by vector; the last, partial one through a buffer
template <class Function>
inline void map_vectors(size_t count, const real* x, real* y, const Function& function) {
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, function(load(x + i)));
  if (i == count) return;
  real buffer[kLanes] = {};
  for (size_t j = i; j < count; ++j) buffer[j - i] = x[j];
  store(buffer, function(load(buffer)));
  for (size_t j = i; j < count; ++j) y[j] = buffer[j - i];
}

}  // namespace
