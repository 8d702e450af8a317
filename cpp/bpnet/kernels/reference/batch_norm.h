#pragma once

#include <cmath>

#include "bpnet/kernels/kernels.h"

namespace bpnet::reference {

inline size_t batch_norm_workspace(size_t, size_t) { return 0; }

template <class T>
void batch_norm_statistics(Context&, size_t rows, size_t columns, const T* x, T* mean, T* variance,
                           const RunningStatistics<T>& running) {
  *running.batches += 1;
  const double momentum = running.cumulative ? 1 / double(*running.batches) : running.momentum;
  const auto follow = [&](T& to, double value) { to = T((1 - momentum) * double(to) + momentum * value); };
  for (size_t c = 0; c < columns; ++c) {
    double sum = 0, squares = 0;
    for (size_t r = 0; r < rows; ++r) sum += double(x[r * columns + c]);
    const double middle = sum / double(rows);
    for (size_t r = 0; r < rows; ++r) {
      const double distance = double(x[r * columns + c]) - middle;
      squares += distance * distance;
    }
    mean[c] = T(middle);
    variance[c] = T(squares / double(rows));
    follow(running.mean[c], middle);
    follow(running.variance[c], squares / double(rows - 1));
  }
}

template <class T>
void batch_norm_forward(Context&, const BatchNormArgs<T>& a, T* y) {
  for (size_t i = 0; i < a.rows * a.columns; ++i) {
    const size_t c = i % a.columns;
    const double scaled = (double(a.x[i]) - double(a.mean[c])) / std::sqrt(double(a.variance[c]) + a.epsilon);
    y[i] = T(scaled * (a.weight ? double(a.weight[c]) : 1.0) + (a.bias ? double(a.bias[c]) : 0.0));
  }
}

template <class T>
void batch_norm_backward(Context&, const BatchNormArgs<T>& a, const T* grad_y, T* grad_x, T* grad_weight,
                         T* grad_bias, bool accumulate) {
  for (size_t c = 0; c < a.columns; ++c) {
    const double scale = 1 / std::sqrt(double(a.variance[c]) + a.epsilon), mean = double(a.mean[c]);
    double sum = 0, product = 0;
    for (size_t i = c; i < a.rows * a.columns; i += a.columns) {
      sum += double(grad_y[i]);
      product += double(grad_y[i]) * (double(a.x[i]) - mean) * scale;
    }
    if (grad_weight) grad_weight[c] = accumulate ? grad_weight[c] + T(product) : T(product);
    if (grad_bias) grad_bias[c] = accumulate ? grad_bias[c] + T(sum) : T(sum);
    const double weight = a.weight ? double(a.weight[c]) : 1.0;
    for (size_t i = c; grad_x && i < a.rows * a.columns; i += a.columns) {
      const double scaled = (double(a.x[i]) - mean) * scale;
      grad_x[i] = T(weight * scale * (double(grad_y[i]) - (sum + scaled * product) / double(a.rows)));
    }
  }
}

}  // namespace bpnet::reference
