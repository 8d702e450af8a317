#pragma once

#include "bpnet/kernels/cpu/base/chunks.h"
#include "bpnet/kernels/cpu/base/scalar_math.h"
#include "bpnet/kernels/cpu/base/scratch.h"
#include "bpnet/kernels/cpu/softmax.h"
#include "bpnet/kernels/kernels.h"

namespace {

using bpnet::LossKind;
using Loss = bpnet::LossArgs<real>;

// Sums of one row are computed in double: a loss is compared across runs.
template <class Term>  // term(x, y, &derivative) returns the value
inline double elementwise_row(const Loss& a, size_t row, real scale, const Term& term) {
  const real* x = a.output + row * a.columns;
  const real* y = a.target + row * a.columns;
  double sum = 0;
  for (size_t c = 0; c < a.columns; ++c) {
    real derivative;
    sum += double(term(x[c], y[c], derivative));
    if (a.grad_output) a.grad_output[row * a.columns + c] = scale * derivative;
  }
  return double(scale) * sum;
}

// q = class_weight · ((1 − ε) target + ε / columns);  loss = Σ_c q_c (lse − x_c);
// gradient = (Σ_k q_k) softmax(x)_c − q_c
inline double cross_entropy_row(const Loss& a, size_t row, real scale) {
  const real* x = a.output + row * a.columns;
  const real largest = row_maximum(a.columns, x);
  const real smoothing = real(a.parameter), floor = smoothing / real(a.columns);
  real* grad = a.grad_output ? a.grad_output + row * a.columns : nullptr;
  const real exp_sum =
      grad ? exponentials(a.columns, x, largest, grad) : exponential_sum(a.columns, x, largest);
  const real log_sum = log_of(exp_sum);
  if (a.label && smoothing == 0) {  // q is 0 except at the label
    const size_t c = size_t(a.label[row]);
    const real weight = a.class_weight ? a.class_weight[c] : real(1);
    if (grad) {
      const real p_scale = scale * (weight / exp_sum);
      for (size_t i = 0; i < a.columns; ++i) grad[i] *= p_scale;
      grad[c] -= scale * weight;
    }
    return weight == 0 ? 0 : double(scale) * double(weight) * double(log_sum + (largest - x[c]));
  }
  const auto q = [&](size_t c) {
    const real target = a.label ? real(size_t(a.label[row]) == c) : a.target[row * a.columns + c];
    return (a.class_weight ? a.class_weight[c] : real(1)) * ((1 - smoothing) * target + floor);
  };
  double sum = 0;
  real q_sum = 0;
  for (size_t c = 0; c < a.columns; ++c) {
    const real weight = q(c);
    if (weight != 0) sum += double(weight) * double(log_sum + (largest - x[c]));
    q_sum += weight;
  }
  if (grad) {
    const real p_scale = q_sum / exp_sum;
    for (size_t c = 0; c < a.columns; ++c) grad[c] = scale * (grad[c] * p_scale - q(c));
  }
  return double(scale) * sum;
}

inline real sign(real d) { return d > 0 ? real(1) : d < 0 ? real(-1) : d; }

inline double loss_row(const Loss& a, size_t row, real scale) {
  const real delta = real(a.parameter), mean = scale / real(a.columns);
  switch (a.kind) {
    case LossKind::kHalfSquaredError:
      return elementwise_row(a, row, scale, [](real x, real y, real& slope) {
        slope = x - y;
        return real(0.5) * slope * slope;
      });
    case LossKind::kSquaredError:
    case LossKind::kMse:
      return elementwise_row(a, row, a.kind == LossKind::kMse ? mean : scale,
                             [](real x, real y, real& slope) {
                               slope = 2 * (x - y);
                               return (x - y) * (x - y);
                             });
    case LossKind::kMae:
      return elementwise_row(a, row, mean, [](real x, real y, real& slope) {
        slope = sign(x - y);
        return abs_of(x - y);
      });
    case LossKind::kHuber:
      return elementwise_row(a, row, mean, [=](real x, real y, real& slope) {
        const real d = x - y, size = abs_of(d);
        slope = size <= delta ? d : delta * sign(d);
        return size <= delta ? real(0.5) * d * d : delta * (size - real(0.5) * delta);
      });
    case LossKind::kBinaryCrossEntropyWithLogits:
      return elementwise_row(a, row, a.parameter != 0 ? mean : scale, [](real x, real y, real& slope) {
        slope = sigmoid(x) - y;
        return (x > 0 ? x : real(0)) - x * y + log1p_of(exp_of(-abs_of(x)));
      });
    case LossKind::kCrossEntropy: return cross_entropy_row(a, row, scale);
    case LossKind::kCustom: break;
  }
  return 0;
}

size_t loss_workspace(size_t rows, size_t columns) {
  return ceil_divide(rows, rows_per_chunk(columns)) * sizeof(double);
}

void loss(bpnet::Context& context, const Loss& a) {
  const size_t chunk = rows_per_chunk(a.columns), chunks = ceil_divide(a.rows, chunk);
  double* const partial = Scratch{context.scratch}.take<double>(chunks);
  run_chunks(a.rows, chunk, [&](size_t begin, size_t end, size_t index) {
    double sum = 0;
    for (size_t row = begin; row < end; ++row) sum += loss_row(a, row, a.row_scale[row]);
    partial[index] = sum;
  });
  double total = 0;
  for (size_t index = 0; index < chunks; ++index) total += partial[index];
  *a.loss = total;
}

}  // namespace
