// The powers that local response normalisation raises its scales to.
#pragma once

#include "bpnet/kernels/cpu/base/scalar_math.h"
#include "bpnet/kernels/cpu/base/vector.h"
#include "bpnet/kernels/kernels.h"

namespace {

inline real response_factor(const bpnet::LocalResponseSizes& s) {
  return real(s.alpha / (double(s.size) * (s.within_map ? double(s.size) : 1.0)));
}

// s^(−¼) of a normal s > 0, without a division or a root, which are slower than the memory. A quarter of the
// exponent, taken from the bits, is within 4 %. Then with r = 1 − s y⁴: y (1 − r)^(−¼) = y (1 + r/4 + 5r²/32
// + …), each of which reduces the error to some 2/7 of its cube: 1 ulp after two steps in float, three in
// double.
inline vec inverse_fourth_root(vec s) {
  constexpr integer kStart = sizeof(real) == 4 ? integer(0x4F584000) : integer(0x4FEB080000000000);
  constexpr int kRounds = sizeof(real) == 4 ? 2 : 3;
  vec y = vec(kStart - (ivec(s) >> 2));
  for (int round = 0; round < kRounds; ++round) {
    const vec square = y * y, rest = 1 - (s * square) * square;
    y += y * (rest * (real(0.25) + real(0.15625) * rest));
  }
  return y;
}

struct ResponsePower {
  vec power, inverse;  // scale^−beta, 1 / scale; their product might underflow
};

// For beta = 0.75 and a k with which every scale is normal.
inline bool is_three_quarters(const bpnet::LocalResponseSizes& s) { return s.beta == 0.75 && s.k >= 1e-30; }
inline ResponsePower inverse_three_quarters(vec scale) {
  constexpr real kLargest = real(sizeof(real) == 4 ? __FLT_MAX__ : __DBL_MAX__);
  const vec root = scale > kLargest ? vec{} : inverse_fourth_root(scale), square = root * root;
  const vec power = square * root;
  return {power, square * square};
}

// Lane by lane. Not inlined: a loop over lanes in every caller would be many instructions.
__attribute__((noinline)) vec power_of_lanes(vec x, real exponent) {
  real lane[kLanes];
  store(lane, x);
  for (size_t i = 0; i < kLanes; ++i) lane[i] = power_of(lane[i], exponent);
  return load(lane);
}

// For any beta.
inline ResponsePower response_power(const bpnet::LocalResponseSizes& s, vec scale) {
  if (is_three_quarters(s)) return inverse_three_quarters(scale);
  return {power_of_lanes(scale, real(-s.beta)), 1 / scale};
}

// The same of arrays; `count` is a multiple of kLanes.
__attribute__((noinline)) void response_powers(const bpnet::LocalResponseSizes& s, size_t count,
                                               const real* sum, real* power, real* inverse) {
  const real k = real(s.k), factor = response_factor(s);
  for (size_t i = 0; i < count; i += kLanes) {
    const ResponsePower at = response_power(s, k + factor * load(sum + i));
    store(power + i, at.power);
    if (inverse) store(inverse + i, at.inverse);
  }
}

}  // namespace
