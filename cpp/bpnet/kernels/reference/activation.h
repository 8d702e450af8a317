#pragma once

#include <cmath>

#include "bpnet/kernels/kernels.h"

namespace bpnet::reference {

inline double sigmoid(double s) {
  const double e = std::exp(-std::fabs(s));  // ≤ 1, cannot overflow
  return (s >= 0 ? 1.0 : e) / (1.0 + e);
}

inline constexpr double kSqrtHalf = 0.70710678118654752440;
inline constexpr double kSqrt2OverPi = 0.79788456080286535588;

inline double normal_cdf(double s) { return 0.5 * std::erfc(-s * kSqrtHalf); }  // Φ
inline double normal_density(double s) { return 0.5 * kSqrt2OverPi * std::exp(-0.5 * s * s); }

// θ(s)
inline double activate(Activation act, double s) {
  switch (act.kind) {
    case ActivationKind::kIdentity: return s;
    case ActivationKind::kTanh: return std::tanh(s);
    case ActivationKind::kRelu: return s > 0 ? s : (s == s ? 0.0 : s);
    case ActivationKind::kLeakyRelu: return s > 0 ? s : act.parameter * s;
    case ActivationKind::kSigmoid: return sigmoid(s);
    case ActivationKind::kSoftplus: {
      const double z = act.parameter * s;
      return ((z > 0 ? z : 0.0) + std::log1p(std::exp(-std::fabs(z)))) / act.parameter;
    }
    case ActivationKind::kGelu: return s * normal_cdf(s);
    case ActivationKind::kGeluTanh:
      return 0.5 * s * (1 + std::tanh(kSqrt2OverPi * (s + 0.044715 * s * s * s)));
    case ActivationKind::kSilu: return s * sigmoid(s);
  }
  return s;
}

// θ'(s) where y = θ(s); s is read for GELU and SiLU only.
inline double activation_derivative(Activation act, double s, double y) {
  switch (act.kind) {
    case ActivationKind::kIdentity: return 1;
    case ActivationKind::kTanh: return 1 - y * y;
    case ActivationKind::kRelu: return y > 0 ? 1 : 0;
    case ActivationKind::kLeakyRelu: return y > 0 ? 1 : act.parameter;
    case ActivationKind::kSigmoid: return y * (1 - y);
    case ActivationKind::kSoftplus: return -std::expm1(-act.parameter * y);
    case ActivationKind::kGelu: return normal_cdf(s) + s * normal_density(s);
    case ActivationKind::kGeluTanh: {
      const double t = std::tanh(kSqrt2OverPi * (s + 0.044715 * s * s * s));
      return 0.5 * (1 + t) + 0.5 * s * (1 - t * t) * kSqrt2OverPi * (1 + 3 * 0.044715 * s * s);
    }
    case ActivationKind::kSilu: {
      const double g = sigmoid(s);
      return g + y * (1 - g);
    }
  }
  return 1;
}

template <class T>
void activation_forward(Context&, Activation act, size_t count, const T* x, T* y) {
  for (size_t i = 0; i < count; ++i) y[i] = T(activate(act, double(x[i])));
}

template <class T>
void activation_backward(Context&, Activation act, size_t count, const T* x, const T* y, const T* grad_y,
                         T* grad_x) {
  for (size_t i = 0; i < count; ++i) {
    const double s = x ? double(x[i]) : 0.0;
    grad_x[i] = T(double(grad_y[i]) * activation_derivative(act, s, double(y[i])));
  }
}

}  // namespace bpnet::reference
