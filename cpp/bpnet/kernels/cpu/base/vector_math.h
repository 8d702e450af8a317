// exp and related functions over a vector. Largest errors, in ulp of the result (for denormals, of the least
// normal number): exp 2, tanh 3, sigmoid 3, log1p and expm1 2, Φ 8. ±0, ±inf, NaN and denormals give IEEE's
// results.
//
// The polynomials are our minimax fits (Remez) on the intervals given beside them.
#pragma once

#include "bpnet/kernels/cpu/base/vector.h"

namespace {

template <class T>
struct MathConstants;

template <>
struct MathConstants<float> {
  static constexpr int kMantissaBits = 23, kBias = 127;
  static constexpr float kLeast = -104.0f, kMost = 89.0f;  // exp is 0 below, infinite above
  static constexpr float kRound = 0x1.8p23f;               // adding it rounds to an integer
  static constexpr float kLog2High = 0x1.62e4p-1f, kLog2Low = 0x1.7f7d1cp-20f;
  // (exp(r) − 1 − r) / r² for |r| ≤ ½ log 2
  static constexpr float kExp[] = {0.49999993432129290236f, 0.16666520399042530069f, 0.041668390783547913136f,
                                   0.0083687451089425906506f, 0.0013814540176801306354f};
  static constexpr float kFar = 10.0f;  // tanh is 1 from here on
  // (artanh(s)/s − 1) / s² in z = s² for 0 ≤ s ≤ ⅓
  static constexpr float kLog1p[] = {0.33333206651683307695f, 0.20010846289573699424f,
                                     0.13999600856712625765f, 0.14012160134037537341f};
  // Φ(−a) exp(a²/2) / u in 2u − 1, u = 1 / (1 + kNormalScale a), for 0 ≤ a ≤ kMostNormal
  static constexpr float kNormalScale = 0.3125f, kMostNormal = 14.5f;
  static constexpr float kNormal[] = {0.2299649606770652677f,      0.16681384049910897586f,
                                      0.083075270794506310239f,    0.023134954694351944957f,
                                      -0.00050762753997224807664f, -0.0025835542720373410861f,
                                      -0.00022265916575955139962f, 0.00033924458499306491997f,
                                      0.000022728896695069620396f, -0.000037164342195268911644f};
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
  static constexpr double kLog1p[] = {
      0.33333333333333152457, 0.20000000000078412495,  0.14285714273953385493,  0.11111111983252560209,
      0.09090872017347519257, 0.076932788465635102642, 0.066505006166042626479, 0.06052940633410577567,
      0.04170468151648863605, 0.08508569651526125606};
  static constexpr double kNormalScale = 0.1875, kMostNormal = 38.75;
  static constexpr double kNormal[] = {
      0.14481951413843691418,     0.12732788566104918664,      0.098064369007379673318,
      0.065619807304459492977,    0.037591567335254507791,     0.017958813326391192516,
      0.0067972293729772505153,   0.0017950125693617220735,    0.00017285154223496366221,
      -0.00010047158016476257464, -0.000049199067459254719338, -3.0597400195720238259e-6,
      4.859840513097693225e-6,    1.3803889392218058162e-6,    -3.7749503742616592535e-7,
      -2.3799076484400555678e-7,  2.5924695218003658333e-8,    3.5447903475719587518e-8,
      -2.1044665771899417427e-9,  -4.4582880779115580904e-9,   2.9733061702249506689e-10,
      2.7927399216968683552e-10};
};

using Constants = MathConstants<real>;

constexpr integer kSignBit = integer(1) << (8 * sizeof(real) - 1);

inline vec absolute(vec x) { return vec(ivec(x) & ~kSignBit); }

// x clamped to ±most; NaN is kept
inline vec limited(vec x, real most) {
  x = x > most ? splat(most) : x;
  return x < -most ? splat(-most) : x;
}

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

// 2^n for integer n between the least and the largest exponent of a normal number
inline vec power_of_two(ivec n) { return vec((n + Constants::kBias) << Constants::kMantissaBits); }

// x = n log 2 + r with integer n, |r| ≤ ½ log 2, for x within exp's limits
struct Reduced {
  ivec n;
  vec r;
};
inline Reduced reduce(vec x) {
  const vec shifted = x * real(1.44269504088896340736) + Constants::kRound;
  const vec whole = shifted - Constants::kRound;
  const ivec n = ivec(shifted) - ivec(splat(Constants::kRound));
  return {n, (x - whole * Constants::kLog2High) - whole * Constants::kLog2Low};
}

// exp(x − low) = 2^n exp(r − low) for a low that is small beside r's limits
inline vec exp_of_difference(vec x, vec low) {
  x = x < Constants::kLeast ? splat(Constants::kLeast) : x;  // NaN is kept
  x = x > Constants::kMost ? splat(Constants::kMost) : x;
  const Reduced reduced = reduce(x);
  const vec r = reduced.r - low;
  const vec e = 1 + (r + r * r * polynomial(r, Constants::kExp));
  // In two factors: 2^n itself may not be a normal number.
  const ivec half = reduced.n >> 1;
  return e * power_of_two(half) * power_of_two(reduced.n - half);
}
inline vec exp_of(vec x) { return exp_of_difference(x, vec{}); }

// exp(x) − 1 = 2^n (exp(r) − 1) + (2^n − 1), for x ≤ 0
inline vec expm1_of(vec x) {
  x = x < -60 ? splat(-60) : x;  // where it is −1
  const auto [n, r] = reduce(x);
  const vec scale = power_of_two(n);
  return scale * (r + r * r * polynomial(r, Constants::kExp)) + (scale - 1);
}

// log(1 + u) for 0 ≤ u ≤ 1: 2 artanh(s) with s = u / (2 + u), where 2s = u − su
inline vec log1p_of(vec u) {
  const vec s = u / (2 + u), z = s * s;
  return u - s * (u - 2 * z * polynomial(z, Constants::kLog1p));
}

// Computed of |x| and given x's sign last, which keeps −0: with m = exp(2|x|) − 1 it is m / (m + 2), and m =
// 2^n (exp(r) − 1) + (2^n − 1) where 2|x| = n log 2 + r. The chain of dependent operations is short, since
// per-sample training waits for it.
inline vec tanh_of(vec x) {
  const vec whole_size = absolute(x);
  const vec size = Constants::kFar < whole_size ? splat(Constants::kFar) : whole_size;  // NaN is kept
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

// The normal distribution: cdf = Φ(x), bell = exp(−x²/2)
struct Normal {
  vec cdf, bell;
};
inline Normal normal(vec x) {
  const vec a = limited(absolute(x), Constants::kMostNormal);  // where both are 0
  // A number with half of the bits has an exact square: −a²/2 is −high²/2 − low.
  constexpr int kCut = (Constants::kMantissaBits + 1) / 2;
  const vec high = vec((ivec(a) + (integer(1) << (kCut - 1))) & -(integer(1) << kCut));
  const vec low = real(0.5) * (a - high) * (a + high);
  const vec bell = exp_of_difference(real(-0.5) * high * high, low);
  const vec u = 1 / (1 + Constants::kNormalScale * a);
  const vec tail = bell * (u * polynomial(2 * u - 1, Constants::kNormal));
  return {x > 0 ? 1 - tail : tail, bell};
}

// The last, partial vector of an array. Not inlined: the loop over the lanes would be copied for every
// function.
__attribute__((noinline)) vec load_rest(const real* p, size_t count) { return load_lanes(p, count); }
__attribute__((noinline)) void store_rest(real* p, vec v, size_t count) { store_lanes(p, v, count); }

// y = function(x), vector by vector; one loop for full vectors and the last, so that function is compiled
// once
template <class Function>
inline void map_vectors(size_t count, const real* x, real* y, const Function& function) {
  for (size_t i = 0; i < count; i += kLanes) {
    const size_t here = count - i;
    const vec v = function(here >= kLanes ? load(x + i) : load_rest(x + i, here));
    if (here >= kLanes) {
      store(y + i, v);
    } else {
      store_rest(y + i, v, here);
    }
  }
}

// y = scale · function(x)
template <class Function>
inline void map_scaled(size_t count, const real* x, const real* scale, real* y, const Function& function) {
  for (size_t i = 0; i < count; i += kLanes) {
    const size_t here = count - i;
    const bool whole = here >= kLanes;
    const vec slope = function(whole ? load(x + i) : load_rest(x + i, here));
    if (whole) {
      store(y + i, load(scale + i) * slope);
    } else {
      store_rest(y + i, load_rest(scale + i, here) * slope, here);
    }
  }
}

}  // namespace
