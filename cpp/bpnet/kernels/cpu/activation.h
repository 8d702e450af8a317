#pragma once

#include "bpnet/kernels/cpu/chunks.h"
#include "bpnet/kernels/cpu/scalar_math.h"
#include "bpnet/kernels/cpu/vector_math.h"
#include "bpnet/kernels/kernels.h"

namespace {

using bpnet::ActivationKind;

constexpr real kSqrtHalf = real(0.70710678118654752440);
constexpr real kSqrt2OverPi = real(0.79788456080286535588);
constexpr real kGeluCubic = real(0.044715);

inline real normal_cdf(real s) { return real(0.5) * erfc_of(-s * kSqrtHalf); }
inline real normal_density(real s) { return real(0.5) * kSqrt2OverPi * exp_of(real(-0.5) * s * s); }
inline real gelu_tanh(real s) { return tanh_of(kSqrt2OverPi * (s + kGeluCubic * s * s * s)); }

inline real softplus(real s, real beta) {
  const real z = beta * s;
  return ((z > 0 ? z : real(0)) + log1p_of(exp_of(-abs_of(z)))) / beta;
}

template <class Function>
inline void map(size_t count, const real* x, real* y, const Function& function) {
  for (size_t i = 0; i < count; ++i) y[i] = function(x[i]);
}

// y = θ(x), serially
void activate(bpnet::Activation act, size_t count, const real* x, real* y) {
  const real parameter = real(act.parameter);
  switch (act.kind) {
    case ActivationKind::kIdentity:
      if (x != y) map(count, x, y, [](real s) { return s; });
      break;
    case ActivationKind::kTanh: map_vectors(count, x, y, [](vec s) { return tanh_of(s); }); break;
    case ActivationKind::kRelu: map(count, x, y, [](real s) { return s < 0 ? real(0) : s; }); break;
    case ActivationKind::kLeakyRelu:
      map(count, x, y, [=](real s) { return s > 0 ? s : parameter * s; });
      break;
    case ActivationKind::kSigmoid: map_vectors(count, x, y, [](vec s) { return sigmoid(s); }); break;
    case ActivationKind::kSoftplus: map(count, x, y, [=](real s) { return softplus(s, parameter); }); break;
    case ActivationKind::kGelu: map(count, x, y, [](real s) { return s * normal_cdf(s); }); break;
    case ActivationKind::kGeluTanh:
      map(count, x, y, [](real s) { return real(0.5) * s * (1 + gelu_tanh(s)); });
      break;
    case ActivationKind::kSilu: map_vectors(count, x, y, [](vec s) { return s * sigmoid(s); }); break;
  }
}

// grad_x = grad_y · slope(x, y)
template <class Slope>
inline void map_gradient(size_t count, const real* x, const real* y, const real* grad_y, real* grad_x,
                         const Slope& slope) {
  for (size_t i = 0; i < count; ++i) grad_x[i] = grad_y[i] * slope(x[i], y[i]);
}

void activate_backward(bpnet::Activation act, size_t count, const real* x, const real* y, const real* grad_y,
                       real* grad_x) {
  const real parameter = real(act.parameter);
  const real* s = x ? x : y;  // read by the kinds below that use it, which are always given x
  const auto map_slope = [&](const auto& slope) { map_gradient(count, s, y, grad_y, grad_x, slope); };
  switch (act.kind) {
    case ActivationKind::kIdentity: map_slope([](real, real) { return real(1); }); break;
    case ActivationKind::kTanh: map_slope([](real, real o) { return 1 - o * o; }); break;
    case ActivationKind::kRelu: map_slope([](real, real o) { return o > 0 ? real(1) : real(0); }); break;
    case ActivationKind::kLeakyRelu:
      map_slope([=](real, real o) { return o > 0 ? real(1) : parameter; });
      break;
    case ActivationKind::kSigmoid: map_slope([](real, real o) { return o * (1 - o); }); break;
    case ActivationKind::kSoftplus: map_slope([=](real, real o) { return -expm1_of(-parameter * o); }); break;
    case ActivationKind::kGelu:
      map_slope([](real i, real) { return normal_cdf(i) + i * normal_density(i); });
      break;
    case ActivationKind::kGeluTanh:
      map_slope([](real i, real) {
        const real t = gelu_tanh(i);
        const real inner = kSqrt2OverPi * (1 + 3 * kGeluCubic * i * i);
        return real(0.5) * (1 + t) + real(0.5) * i * (1 - t * t) * inner;
      });
      break;
    case ActivationKind::kSilu:
      map_slope([](real i, real o) {
        const real g = sigmoid(i);
        return g + o * (1 - g);
      });
      break;
  }
}

void activation_forward(bpnet::Context&, bpnet::Activation act, size_t count, const real* x, real* y) {
  run_chunks(count, kChunk,
             [&](size_t begin, size_t end, size_t) { activate(act, end - begin, x + begin, y + begin); });
}

void activation_backward(bpnet::Context&, bpnet::Activation act, size_t count, const real* x, const real* y,
                         const real* grad_y, real* grad_x) {
  run_chunks(count, kChunk, [&](size_t begin, size_t end, size_t) {
    activate_backward(act, end - begin, x ? x + begin : nullptr, y + begin, grad_y + begin, grad_x + begin);
  });
}

}  // namespace
