// The loss of one row of outputs, computed by one warp: terms in the element's type, their sum in double, in
// an order that depends on the number of columns alone.
#pragma once

#include <cmath>

#include "bpnet/kernels/cuda/block.h"
#include "bpnet/kernels/cuda/loss_math.h"

namespace bpnet::cuda {

// One row of the arrays of LossArgs. Column c of the output, and of its gradient, is at c · stride.
template <class T>
struct LossRow {
  const T* output;
  T* grad;  // d loss / d output, written
  size_t stride;
  const T* target;  // (columns,), or null where there is a label
  size_t label;
  T scale;
};

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

}  // namespace bpnet::cuda
