#pragma once

#include "bpnet/kernels/cpu/activation_math.h"
#include "bpnet/kernels/cpu/chunks.h"
#include "bpnet/kernels/cpu/scalar_math.h"
#include "bpnet/kernels/kernels.h"

namespace {

using bpnet::ActivationKind;

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
    case ActivationKind::kSoftplus:
      map_vectors(count, x, y, [=](vec s) { return softplus(s, parameter); });
      break;
    case ActivationKind::kGelu: map_vectors(count, x, y, [](vec s) { return s * normal(s).cdf; }); break;
    case ActivationKind::kGeluTanh:
      map_vectors(count, x, y, [](vec s) { return s * tanh_gelu(s).cdf; });
      break;
    case ActivationKind::kSilu: map_vectors(count, x, y, [](vec s) { return s * sigmoid(s); }); break;
  }
}

// grad_x = grad_y · slope(y)
template <class Slope>
inline void map_slopes(size_t count, const real* y, const real* grad_y, real* grad_x, const Slope& slope) {
  for (size_t i = 0; i < count; ++i) grad_x[i] = grad_y[i] * slope(y[i]);
}

// The same vector by vector, in pieces: slope(from), then times grad_y.
template <class Slope>
inline void map_vector_slopes(size_t count, const real* from, const real* grad_y, real* grad_x,
                              const Slope& slope) {
  constexpr size_t kPiece = 16 * kLanes;
  real slopes[kPiece];
  for (size_t begin = 0; begin < count; begin += kPiece) {
    const size_t here = smaller(kPiece, count - begin);
    map_vectors(here, from + begin, slopes, slope);
    for (size_t i = 0; i < here; ++i) grad_x[begin + i] = grad_y[begin + i] * slopes[i];
  }
}

// x may be null for the kinds that read y alone. Not inlined: it is long and called from several places.
__attribute__((noinline)) void activate_backward(bpnet::Activation act, size_t count, const real* x,
                                                 const real* y, const real* grad_y, real* grad_x) {
  const real parameter = real(act.parameter);
  const auto of_output = [&](const auto& slope) { map_slopes(count, y, grad_y, grad_x, slope); };
  const auto of_input = [&](const auto& slope) { map_vector_slopes(count, x, grad_y, grad_x, slope); };
  switch (act.kind) {
    case ActivationKind::kIdentity: of_output([](real) { return real(1); }); break;
    case ActivationKind::kTanh: of_output([](real o) { return 1 - o * o; }); break;
    case ActivationKind::kRelu: of_output([](real o) { return o > 0 ? real(1) : real(0); }); break;
    case ActivationKind::kLeakyRelu: of_output([=](real o) { return o > 0 ? real(1) : parameter; }); break;
    case ActivationKind::kSigmoid: of_output([](real o) { return o * (1 - o); }); break;
    case ActivationKind::kSoftplus:
      map_vector_slopes(count, y, grad_y, grad_x, [=](vec o) { return -expm1_of(-parameter * o); });
      break;
    case ActivationKind::kGelu: of_input([](vec s) { return gelu_slope(s); }); break;
    case ActivationKind::kGeluTanh: of_input([](vec s) { return tanh_gelu_slope(s); }); break;
    case ActivationKind::kSilu: of_input([](vec s) { return silu_slope(s); }); break;
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
