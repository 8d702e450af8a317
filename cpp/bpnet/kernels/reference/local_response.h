#pragma once

#include <cmath>

#include "bpnet/kernels/kernels.h"

namespace bpnet::reference {

// Calls function(j) for every element j of the window of element i, or, if `seeing`, for every j whose window
// includes i.
template <class Function>
void each_neighbour(const LocalResponseSizes& s, size_t i, bool seeing, const Function& function) {
  const size_t before = seeing ? (s.size - 1) / 2 : s.size / 2, after = s.size - 1 - before;
  const auto each_within = [&](size_t at, size_t count, const auto& body) {  // along one axis
    const size_t first = at > before ? at - before : 0;
    const size_t last = after < count - 1 - at ? at + after : count - 1;
    for (size_t j = first; j <= last; ++j) body(j);
  };
  const size_t c = i % s.channels;
  if (!s.within_map) {
    const size_t group = s.channels / s.groups, first = i - c % group;
    each_within(c % group, group, [&](size_t j) { function(first + j); });
    return;
  }
  const size_t position = i / s.channels, x = position % s.width, y = position / s.width % s.height;
  const size_t image = position / s.width / s.height;
  each_within(y, s.height, [&](size_t jy) {
    each_within(x, s.width,
                [&](size_t jx) { function(((image * s.height + jy) * s.width + jx) * s.channels + c); });
  });
}

inline double factor(const LocalResponseSizes& s) {
  return s.alpha / (double(s.size) * (s.within_map ? double(s.size) : 1.0));
}

template <class T>
double response_scale(const LocalResponseSizes& s, const T* x, size_t i) {
  double sum = 0;
  each_neighbour(s, i, false, [&](size_t j) { sum += double(x[j]) * double(x[j]); });
  return s.k + factor(s) * sum;
}

inline size_t local_response_workspace(const LocalResponseSizes&) { return 0; }

template <class T>
void local_response_forward(Context&, const LocalResponseSizes& s, const T* x, T* y) {
  for (size_t i = 0; i < s.n * s.height * s.width * s.channels; ++i) {
    y[i] = T(double(x[i]) * std::pow(response_scale(s, x, i), -s.beta));
  }
}

template <class T>
void local_response_backward(Context&, const LocalResponseSizes& s, const T* x, const T* grad_y, T* grad_x) {
  for (size_t i = 0; i < s.n * s.height * s.width * s.channels; ++i) {
    double sum = 0;
    each_neighbour(s, i, true, [&](size_t j) {
      sum += double(grad_y[j]) * double(x[j]) * std::pow(response_scale(s, x, j), -s.beta - 1);
    });
    grad_x[i] = T(double(grad_y[i]) * std::pow(response_scale(s, x, i), -s.beta) -
                  2 * s.beta * factor(s) * double(x[i]) * sum);
  }
}

}  // namespace bpnet::reference
