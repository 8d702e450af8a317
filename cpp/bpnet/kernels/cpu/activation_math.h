// Activations over a vector that are more than one function of vector_math.h, and their derivatives. Largest
// errors: softplus 3 ulp; derivatives 8 ulp of the larger of their two terms; with Φ by its tanh
// approximation 4 ulp times 1 + |2v|, since v is rounded before exp.
#pragma once

#include "bpnet/kernels/cpu/base/vector_math.h"

namespace {

// log(1 + exp(βx)) / β
inline vec softplus(vec x, real beta) {
  return (x > 0 ? x : vec{}) + log1p_of(exp_of(-absolute(beta * x))) / beta;
}

// In the derivatives below s is multiplied by a factor that is 0 at infinity: s is clamped, far beyond where
// that factor has become 0, to avoid ∞ · 0.

// Φ(s) + s φ(s)
inline vec gelu_slope(vec s) {
  constexpr real kDensity = real(0.39894228040143267794);  // 1 / √(2π)
  const Normal at = normal(s);
  return at.cdf + kDensity * limited(s, 50) * at.bell;
}

// GELU with Φ by its tanh approximation is s σ(2v), v = √(2/π) (s + 0.044715 s³).
struct TanhGelu {
  vec cdf, product, slope;  // σ(2v), σ(2v) σ(−2v), v'
};
inline TanhGelu tanh_gelu(vec s) {
  constexpr real kScale = real(0.79788456080286535588), kCubic = real(0.044715);
  s = limited(s, 30);
  const vec v = kScale * (s + kCubic * s * s * s);
  const vec e = exp_of(-2 * absolute(v)), more = 1 / (1 + e), less = e * more;
  return {v < 0 ? less : more, more * less, kScale * (1 + 3 * kCubic * s * s)};
}

// σ(2v) + 2 s σ(2v) σ(−2v) v'
inline vec tanh_gelu_slope(vec s) {
  const TanhGelu at = tanh_gelu(s);
  return at.cdf + 2 * limited(s, 50) * at.product * at.slope;
}

// σ(s) + s σ(s) σ(−s)
inline vec silu_slope(vec s) {
  const vec e = exp_of(-absolute(s)), more = 1 / (1 + e), less = e * more;
  return (s < 0 ? less : more) + limited(s, 1000) * more * less;
}

}  // namespace
