#pragma once

#include <cmath>

#include "bpnet/kernels/kernels.h"

namespace bpnet::reference {

template <class T>
double row_maximum(size_t columns, const T* x) {
  double largest = double(x[0]);
  for (size_t c = 1; c < columns; ++c) largest = double(x[c]) > largest ? double(x[c]) : largest;
  return largest;
}

template <class T>
void softmax_forward(Context&, size_t rows, size_t columns, const T* x, T* y) {
  for (size_t r = 0; r < rows; ++r, x += columns, y += columns) {
    const double largest = row_maximum(columns, x);
    double sum = 0;
    for (size_t c = 0; c < columns; ++c) sum += std::exp(double(x[c]) - largest);
    for (size_t c = 0; c < columns; ++c) y[c] = T(std::exp(double(x[c]) - largest) / sum);
  }
}

template <class T>
void softmax_backward(Context&, size_t rows, size_t columns, const T* y, const T* grad_y, T* grad_x) {
  for (size_t r = 0; r < rows; ++r, y += columns, grad_y += columns, grad_x += columns) {
    double inner = 0;
    for (size_t c = 0; c < columns; ++c) inner += double(grad_y[c]) * double(y[c]);
    for (size_t c = 0; c < columns; ++c) grad_x[c] = T(double(y[c]) * (double(grad_y[c]) - inner));
  }
}

}  // namespace bpnet::reference
