// exp, tanh and sigmoid over a vector. Largest errors: exp 2 ulp, tanh 2 ulp, sigmoid 3 ulp (below the
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
  // (tanh(x)/x − 1) / x² in z = x² for |x| ≤ 0.625
  static constexpr float kTanh[] = {-0.33333330802723516245f,   0.13333206008151463693f,
                                    -0.053946763041674852261f,  0.021700703143668225759f,
                                    -0.0081773980995364152633f, 0.002142961751477318114f};
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
  static constexpr double kTanh[] = {
      -0.33333333333333312815,    0.13333333333329742816,      -0.053968253966058900213,
      0.021869488468715126737,    -0.0088632343125725723426,   0.0035921139998080537306,
      -0.0014557259476144102388,  0.00058945179705774909547,   -0.00023701172509923800132,
      0.000091558403299714662033, -0.000030187212378646150338, 6.0424649187413507997e-6};
};

using Constants = MathConstants<real>;

constexpr integer kSignBit = integer(1) << (8 * sizeof(real) - 1);

inline vec absolute(vec x) { return vec(ivec(x) & ~kSignBit); }

template <size_t kTerms>
inline vec polynomial(vec x, const real (&coefficient)[kTerms]) {
  vec sum = splat(coefficient[kTerms - 1]);
  for (size_t i = kTerms - 1; i-- > 0;) sum = sum * x + coefficient[i];
  return sum;
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

// Of |x|, the sign put back last, so that −0 stays: near 0 an odd polynomial, else 1 − 2 / (exp(2|x|) + 1)
inline vec tanh_of(vec x) {
  const vec size = absolute(x), z = size * size;
  const vec near = size + size * (z * polynomial(z, Constants::kTanh));
  const vec far = 1 - 2 / (exp_of(2 * size) + 1);
  const vec result = size < real(0.625) ? near : far;
  return vec(ivec(result) | (ivec(x) & kSignBit));
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
