// Activations of one number and their derivatives, in the number's type, for all kernels of a GPU. The
// derivatives are those of kernels/cpu/activation_math.h; Φ is CUDA's.
#pragma once

#include <cuda_runtime.h>

#include <cmath>

#include "bpnet/kernels/kernels.h"

namespace bpnet::cuda {

// s clamped to ±most; NaN is kept. In a derivative s is multiplied by a factor that is 0 at infinity: s is
// clamped far beyond where that factor has become 0, to avoid ∞ · 0.
template <class T>
__device__ T limited(T s, T most) {
  return s > most ? most : s < -most ? -most : s;
}

template <class T>
__device__ T sigmoid(T s) {
  const T e = std::exp(-std::fabs(s));  // ≤ 1, cannot overflow
  return (s >= 0 ? T(1) : e) / (1 + e);
}

// log(1 + exp(βs)) / β
template <class T>
__device__ T softplus(T s, T beta) {
  return (s > 0 ? s : T(0)) + std::log1p(std::exp(-std::fabs(beta * s))) / beta;
}

// Φ(s) + s φ(s)
template <class T>
__device__ T gelu_slope(T s) {
  constexpr T kDensity = T(0.39894228040143267794);  // 1 / √(2π)
  const T near = limited(s, T(50)), square = near * near;
  const T rest = std::fma(near, near, -square);  // the error of the rounded square, which exp would amplify
  const T bell = std::exp(T(-0.5) * square) * (1 - T(0.5) * rest);
  return normcdf(s) + kDensity * near * bell;
}

// GELU with Φ by its tanh approximation is s σ(2v), v = √(2/π) (s + 0.044715 s³).
template <class T>
struct TanhGelu {
  T cdf, product, slope;  // σ(2v), σ(2v) σ(−2v), v'
};
template <class T>
__device__ TanhGelu<T> tanh_gelu(T s) {
  constexpr T kScale = T(0.79788456080286535588), kCubic = T(0.044715);
  s = limited(s, T(30));
  const T v = kScale * (s + kCubic * s * s * s);
  const T e = std::exp(-2 * std::fabs(v)), more = 1 / (1 + e), less = e * more;
  return {v < 0 ? less : more, more * less, kScale * (1 + 3 * kCubic * s * s)};
}

// σ(2v) + 2 s σ(2v) σ(−2v) v'
template <class T>
__device__ T tanh_gelu_slope(T s) {
  const TanhGelu<T> at = tanh_gelu(s);
  return at.cdf + 2 * limited(s, T(50)) * at.product * at.slope;
}

// σ(s) + s σ(s) σ(−s)
template <class T>
__device__ T silu_slope(T s) {
  const T e = std::exp(-std::fabs(s)), more = 1 / (1 + e), less = e * more;
  return (s < 0 ? less : more) + limited(s, T(1000)) * more * less;
}

// θ(s)
template <class T>
__device__ T activate(Activation act, T s) {
  switch (act.kind) {
    case ActivationKind::kIdentity: return s;
    case ActivationKind::kTanh: return std::tanh(s);
    case ActivationKind::kRelu: return s < 0 ? T(0) : s;
    case ActivationKind::kLeakyRelu: return s > 0 ? s : T(act.parameter) * s;
    case ActivationKind::kSigmoid: return sigmoid(s);
    case ActivationKind::kSoftplus: return softplus(s, T(act.parameter));
    case ActivationKind::kGelu: return s * normcdf(s);
    case ActivationKind::kGeluTanh: return s * tanh_gelu(s).cdf;
    case ActivationKind::kSilu: return s * sigmoid(s);
  }
  return s;
}

// θ'(s) where y = θ(s); s is read for the kinds of which slope_needs_input says so.
template <class T>
__device__ T activation_slope(Activation act, T s, T y) {
  switch (act.kind) {
    case ActivationKind::kIdentity: return T(1);
    case ActivationKind::kTanh: return 1 - y * y;
    case ActivationKind::kRelu: return y > 0 ? T(1) : T(0);
    case ActivationKind::kLeakyRelu: return y > 0 ? T(1) : T(act.parameter);
    case ActivationKind::kSigmoid: return y * (1 - y);
    case ActivationKind::kSoftplus: return -std::expm1(-T(act.parameter) * y);
    case ActivationKind::kGelu: return gelu_slope(s);
    case ActivationKind::kGeluTanh: return tanh_gelu_slope(s);
    case ActivationKind::kSilu: return silu_slope(s);
  }
  return T(1);
}

constexpr bool slope_needs_input(ActivationKind kind) {
  return kind == ActivationKind::kGelu || kind == ActivationKind::kGeluTanh || kind == ActivationKind::kSilu;
}

}  // namespace bpnet::cuda
