// The elementwise losses of one output.
#pragma once

#include <cmath>

#include "bpnet/kernels/cuda/activation_math.h"

namespace bpnet::cuda {

// One output's part of an elementwise loss, and its derivative by the output.
template <class T>
struct LossTerm {
  T value, slope;
};

template <class T>
__device__ T sign_of(T d) {
  return d > 0 ? T(1) : d < 0 ? T(-1) : d;  // NaN is kept
}

// Of output x and target y.
template <class T>
__device__ LossTerm<T> loss_term(LossKind kind, T parameter, T x, T y) {
  const T d = x - y;
  switch (kind) {
    case LossKind::kHalfSquaredError: return {T(0.5) * d * d, d};
    case LossKind::kSquaredError:
    case LossKind::kMse: return {d * d, 2 * d};
    case LossKind::kMae: return {std::fabs(d), sign_of(d)};
    case LossKind::kHuber: {
      const T size = std::fabs(d);
      if (size <= parameter) return {T(0.5) * d * d, d};
      return {parameter * (size - T(0.5) * parameter), parameter * sign_of(d)};
    }
    case LossKind::kBinaryCrossEntropyWithLogits:
      return {(x > 0 ? x : T(0)) - x * y + std::log1p(std::exp(-std::fabs(x))), sigmoid(x) - y};
    case LossKind::kCrossEntropy:
    case LossKind::kCustom: break;
  }
  return {T(0), T(0)};
}

// Whether the loss is a mean over the outputs.
__host__ __device__ constexpr bool averages_outputs(LossKind kind, double parameter) {
  if (kind == LossKind::kBinaryCrossEntropyWithLogits) return parameter != 0;
  return kind == LossKind::kMse || kind == LossKind::kMae || kind == LossKind::kHuber;
}

}  // namespace bpnet::cuda
