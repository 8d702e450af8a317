#pragma once

#include "bpnet/kernels/cpu/activation_math.h"
#include "bpnet/kernels/cpu/base/chunks.h"
#include "bpnet/kernels/cpu/base/scalar_math.h"
#include "bpnet/kernels/kernels.h"

namespace {

using bpnet::ActivationKind;

// y = θ(x), serially
void activate(bpnet::Activation act, size_t count, const real* x, real* y) {
  const real parameter = real(act.parameter);
  switch (act.kind) {
    case ActivationKind::kIdentity:
      if (x != y) __builtin_memcpy(y, x, count * sizeof(real));
      break;
    case ActivationKind::kTanh: map_vectors(count, x, y, [](vec s) { return tanh_of(s); }); break;
    case ActivationKind::kRelu: map_vectors(count, x, y, [](vec s) { return s < 0 ? vec{} : s; }); break;
    case ActivationKind::kLeakyRelu:
      map_vectors(count, x, y, [=](vec s) { return s > 0 ? s : parameter * s; });
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

// grad_x = grad_y · θ'. x may be null for the kinds that read only y.
void activate_backward(bpnet::Activation act, size_t count, const real* x, const real* y, const real* grad_y,
                       real* grad_x) {
  const real parameter = real(act.parameter);
  const auto of_output = [&](const auto& slope) { map_scaled(count, y, grad_y, grad_x, slope); };
  const auto of_input = [&](const auto& slope) { map_scaled(count, x, grad_y, grad_x, slope); };
  switch (act.kind) {
    case ActivationKind::kIdentity:
      if (grad_x != grad_y) __builtin_memcpy(grad_x, grad_y, count * sizeof(real));
      break;
    case ActivationKind::kTanh: of_output([](vec o) { return 1 - o * o; }); break;
    case ActivationKind::kRelu: of_output([](vec o) { return o > 0 ? splat(1) : vec{}; }); break;
    case ActivationKind::kLeakyRelu:
      of_output([=](vec o) { return o > 0 ? splat(1) : splat(parameter); });
      break;
    case ActivationKind::kSigmoid: of_output([](vec o) { return o * (1 - o); }); break;
    case ActivationKind::kSoftplus: of_output([=](vec o) { return -expm1_of(-parameter * o); }); break;
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
