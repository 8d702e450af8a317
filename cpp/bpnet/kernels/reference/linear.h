#pragma once

#include "bpnet/kernels/reference/activation.h"

namespace bpnet::reference {

template <class T>
void linear_forward(Context&, LinearSizes s, const T* x, const T* w, const T* bias, Activation act, T* y) {
  for (size_t n = 0; n < s.n; ++n) {
    for (size_t j = 0; j < s.out; ++j) {
      double sum = bias ? double(bias[j]) : 0.0;
      for (size_t i = 0; i < s.in; ++i) sum += double(w[j * s.in + i]) * double(x[n * s.in + i]);
      y[n * s.out + j] = T(activate(act, sum));
    }
  }
}

template <class T>
void linear_backward_input(Context&, LinearSizes s, const T* grad_y, const T* w, T* grad_x) {
  for (size_t n = 0; n < s.n; ++n) {
    for (size_t i = 0; i < s.in; ++i) {
      double sum = 0;
      for (size_t j = 0; j < s.out; ++j) sum += double(w[j * s.in + i]) * double(grad_y[n * s.out + j]);
      grad_x[n * s.in + i] = T(sum);
    }
  }
}

template <class T>
void linear_backward_weight(Context&, LinearSizes s, const T* x, const T* grad_y, T* grad_w, T* grad_bias,
                            bool accumulate) {
  const auto put = [&](T& to, double sum) { to = accumulate ? to + T(sum) : T(sum); };
  for (size_t j = 0; j < s.out; ++j) {
    for (size_t i = 0; i < s.in; ++i) {
      double sum = 0;
      for (size_t n = 0; n < s.n; ++n) sum += double(grad_y[n * s.out + j]) * double(x[n * s.in + i]);
      put(grad_w[j * s.in + i], sum);
    }
    if (grad_bias) {
      double sum = 0;
      for (size_t n = 0; n < s.n; ++n) sum += double(grad_y[n * s.out + j]);
      put(grad_bias[j], sum);
    }
  }
}

}  // namespace bpnet::reference
