// The loss of one row of outputs, made by one warp: terms in the element's type, their sum in double, in an order that
// the number of columns alone decides.
#pragma once

#include <cmath>

#include "bpnet/kernels/cuda/activation_math.h"
#include "bpnet/kernels/cuda/block.h"

namespace bpnet::cuda {

// One row of what LossArgs has all rows of. Column c of the output, and of its gradient, is at c · stride.
template <class T>
struct LossRow {
  const T* output;
  T* grad;          // d loss / d output, written
  size_t stride;
  const T* target;  // (columns,), or null where there is a label
  size_t label;
  T scale;
};

template <class T>
struct LossTerm {
  T value, slope;  // and its derivative by the output
};

template <class T>
__device__ T sign_of(T d) {
  return d > 0 ? T(1) : d < 0 ? T(-1) : d;  // NaN stays
}

// One output's part of an elementwise loss, of output x and target y.
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
__device__ inline bool averages_outputs(LossKind kind, double parameter) {
  if (kind == LossKind::kBinaryCrossEntropyWithLogits) return parameter != 0;
  return kind == LossKind::kMse || kind == LossKind::kMae || kind == LossKind::kHuber;
}

template <class T>
__device__ double elementwise_row(const LossArgs<T>& a, const LossRow<T>& row) {
  const T scale = averages_outputs(a.kind, a.parameter) ? row.scale / T(a.columns) : row.scale;
  double sum = 0;
  for (size_t c = threadIdx.x % kWarp; c < a.columns; c += kWarp) {
    const size_t at = c * row.stride;
    const LossTerm<T> term = loss_term(a.kind, T(a.parameter), row.output[at], row.target[c]);
    sum += double(term.value);
    row.grad[at] = scale * term.slope;
  }
  return double(scale) * fold_warp(sum, Plus());
}

// q = class_weight · ((1 − ε) target + ε / columns);  loss = Σ_c q_c (lse − x_c);
// gradient = (Σ_k q_k) softmax(x)_c − q_c
template <class T>
__device__ double cross_entropy_row(const LossArgs<T>& a, const LossRow<T>& row) {
  const size_t lane = threadIdx.x % kWarp;
  const T smoothing = T(a.parameter), floor = smoothing / T(a.columns);
  T largest = -T(INFINITY);
  for (size_t c = lane; c < a.columns; c += kWarp) largest = Larger()(row.output[c * row.stride], largest);
  largest = fold_warp(largest, Larger());
  T exp_sum = 0, q_sum = 0;
  const auto q = [&](size_t c) {
    const T target = row.target ? row.target[c] : T(c == row.label);
    return (a.class_weight ? a.class_weight[c] : T(1)) * ((1 - smoothing) * target + floor);
  };
  for (size_t c = lane; c < a.columns; c += kWarp) {
    const size_t at = c * row.stride;
    row.grad[at] = std::exp(row.output[at] - largest);
    exp_sum += row.grad[at];
    q_sum += q(c);
  }
  exp_sum = fold_warp(exp_sum, Plus());
  q_sum = fold_warp(q_sum, Plus());
  const T log_sum = std::log(exp_sum), share = q_sum / exp_sum;
  double sum = 0;
  for (size_t c = lane; c < a.columns; c += kWarp) {
    const size_t at = c * row.stride;
    const T weight = q(c);
    if (weight != 0) sum += double(weight) * double(log_sum + (largest - row.output[at]));
    row.grad[at] = row.scale * (row.grad[at] * share - weight);
  }
  return double(row.scale) * fold_warp(sum, Plus());
}

// In every thread of the warp. Each lane writes the gradient of the columns lane, lane + kWarp, …
template <class T>
__device__ double loss_of_row(const LossArgs<T>& a, const LossRow<T>& row) {
  return a.kind == LossKind::kCrossEntropy ? cross_entropy_row(a, row) : elementwise_row(a, row);
}

// The first index of the largest number, which is not NaN; 0 where x[0] is.
template <class T>
__device__ size_t first_largest(size_t count, const T* x, size_t stride) {
  if (x[0] != x[0]) return 0;
  T largest = -T(INFINITY);
  size_t first = count;
  for (size_t c = threadIdx.x % kWarp; c < count; c += kWarp) {
    const T here = x[c * stride];
    if (here > largest || (here == largest && c < first)) largest = here, first = c;
  }
  for (unsigned distance = kWarp / 2; distance > 0; distance /= 2) {
    const T other = __shfl_xor_sync(0xffffffff, largest, static_cast<int>(distance));
    const size_t index = __shfl_xor_sync(0xffffffff, first, static_cast<int>(distance));
    if (other > largest || (other == largest && index < first)) largest = other, first = index;
  }
  return first;
}

// Whether the row is right, as Kernels::judge has it; in every thread of the warp.
template <class T>
__device__ bool row_is_right(const LossArgs<T>& a, const LossRow<T>& row) {
  if (a.kind == LossKind::kCrossEntropy) {
    const size_t wanted = row.target ? first_largest(a.columns, row.target, 1) : row.label;
    return first_largest(a.columns, row.output, row.stride) == wanted;
  }
  if (a.kind != LossKind::kBinaryCrossEntropyWithLogits) return false;
  unsigned wrong = 0;
  for (size_t c = threadIdx.x % kWarp; c < a.columns; c += kWarp) {
    wrong += (row.output[c * row.stride] > 0) != (row.target[c] > T(0.5));
  }
  return fold_warp(wrong, Plus()) == 0;
}

}  // namespace bpnet::cuda
