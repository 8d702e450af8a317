#pragma once

#include <cmath>

#include "bpnet/kernels/reference/activation.h"
#include "bpnet/kernels/reference/softmax.h"

namespace bpnet::reference {

// One output's part of an elementwise loss, and its derivative by the output x.
struct LossTerm {
  double value, derivative;
};

inline LossTerm loss_term(LossKind kind, double parameter, double x, double y) {
  const double d = x - y;
  switch (kind) {
    case LossKind::kHalfSquaredError: return {0.5 * d * d, d};
    case LossKind::kSquaredError:
    case LossKind::kMse: return {d * d, 2 * d};
    case LossKind::kMae: return {std::fabs(d), d > 0 ? 1.0 : d < 0 ? -1.0 : d};
    case LossKind::kHuber: {
      const double a = std::fabs(d), delta = parameter;
      if (a <= delta) return {0.5 * d * d, d};
      return {delta * (a - 0.5 * delta), d > 0 ? delta : d < 0 ? -delta : d};
    }
    case LossKind::kBinaryCrossEntropyWithLogits: {
      const double value = (x > 0 ? x : 0.0) - x * y + std::log1p(std::exp(-std::fabs(x)));
      return {value, sigmoid(x) - y};
    }
    case LossKind::kCrossEntropy:
    case LossKind::kCustom: break;
  }
  return {0, 0};
}

inline bool averages_outputs(LossKind kind, double parameter) {
  if (kind == LossKind::kBinaryCrossEntropyWithLogits) return parameter != 0;
  return kind == LossKind::kMse || kind == LossKind::kMae || kind == LossKind::kHuber;
}

template <class T>
double elementwise_loss(const LossArgs<T>& a, size_t row, double scale) {
  if (averages_outputs(a.kind, a.parameter)) scale /= double(a.columns);
  double sum = 0;
  for (size_t c = 0; c < a.columns; ++c) {
    const size_t i = row * a.columns + c;
    const LossTerm term = loss_term(a.kind, a.parameter, double(a.output[i]), double(a.target[i]));
    sum += term.value;
    if (a.grad_output) a.grad_output[i] = T(scale * term.derivative);
  }
  return scale * sum;
}

// q = class_weight · ((1 − ε) target + ε / columns);  loss = Σ_c q_c (lse − x_c);
// gradient = (Σ_k q_k) softmax(x)_c − q_c
template <class T>
double cross_entropy(const LossArgs<T>& a, size_t row, double scale) {
  const T* x = a.output + row * a.columns;
  const double largest = row_maximum(a.columns, x);
  double exp_sum = 0;
  for (size_t c = 0; c < a.columns; ++c) exp_sum += std::exp(double(x[c]) - largest);
  const double log_sum = std::log(exp_sum);
  const auto q = [&](size_t c) {
    const double target =
        a.label ? (size_t(a.label[row]) == c ? 1.0 : 0.0) : double(a.target[row * a.columns + c]);
    const double weight = a.class_weight ? double(a.class_weight[c]) : 1.0;
    return weight * ((1 - a.parameter) * target + a.parameter / double(a.columns));
  };
  double sum = 0, q_sum = 0;
  for (size_t c = 0; c < a.columns; ++c) {
    if (q(c) != 0) sum += q(c) * (log_sum + (largest - double(x[c])));
    q_sum += q(c);
  }
  if (a.grad_output) {
    for (size_t c = 0; c < a.columns; ++c) {
      const double p = std::exp(double(x[c]) - largest) / exp_sum;
      a.grad_output[row * a.columns + c] = T(scale * (q_sum * p - q(c)));
    }
  }
  return scale * sum;
}

template <class T>
void loss(Context&, const LossArgs<T>& a) {
  double total = 0;
  for (size_t row = 0; row < a.rows; ++row) {
    const double scale = double(a.row_scale[row]);
    total +=
        a.kind == LossKind::kCrossEntropy ? cross_entropy(a, row, scale) : elementwise_loss(a, row, scale);
  }
  *a.loss = total;
}

}  // namespace bpnet::reference
