#pragma once

#include "bpnet/kernels/kernels.h"

namespace bpnet::reference {

struct Range {
  size_t begin, end;
  size_t padded;  // its length with the padding that counts
};

inline Range window(const WindowAxis& axis, AverageKind kind, size_t o) {
  if (kind == AverageKind::kAdaptive) {
    const Range range = {o * axis.in / axis.out, ((o + 1) * axis.in + axis.out - 1) / axis.out, 0};
    return {range.begin, range.end, range.end - range.begin};
  }
  const size_t first = o * axis.stride, last = first + axis.kernel;  // in the padded map
  const size_t begin = first > axis.before ? first - axis.before : 0;
  const size_t end = last - axis.before < axis.in ? last - axis.before : axis.in;
  if (kind == AverageKind::kWithoutPadding) return {begin, end, end - begin};
  const size_t edge = axis.in + 2 * axis.before;
  return {begin, end, (last < edge ? last : edge) - first};
}

// Calls function(y index, first x index, rows, columns, divisor) for every window.
template <class Function>
void each_window(const PoolSizes& s, AverageKind kind, const Function& function) {
  for (size_t n = 0; n < s.n; ++n) {
    for (size_t oy = 0; oy < s.height.out; ++oy) {
      for (size_t ox = 0; ox < s.width.out; ++ox) {
        const Range rows = window(s.height, kind, oy), columns = window(s.width, kind, ox);
        for (size_t c = 0; c < s.channels; ++c) {
          function(((n * s.height.out + oy) * s.width.out + ox) * s.channels + c,
                   ((n * s.height.in + rows.begin) * s.width.in + columns.begin) * s.channels + c,
                   rows.end - rows.begin, columns.end - columns.begin, double(rows.padded * columns.padded));
        }
      }
    }
  }
}

inline size_t input_count(const PoolSizes& s) { return s.n * s.height.in * s.width.in * s.channels; }

template <class T>
void max_pool_forward(Context&, const PoolSizes& s, const T* x, T* y) {
  each_window(s, AverageKind::kWithoutPadding,
              [&](size_t at, size_t first, size_t rows, size_t columns, double) {
                T most = x[first];
                for (size_t r = 0; r < rows; ++r) {
                  for (size_t c = 0; c < columns; ++c) {
                    const T value = x[first + (r * s.width.in + c) * s.channels];
                    if (value > most || value != value) most = value;
                  }
                }
                y[at] = most;
              });
}

template <class T>
void max_pool_backward(Context&, const PoolSizes& s, const T* x, const T* y, const T* grad_y, T* grad_x) {
  for (size_t i = 0; i < input_count(s); ++i) grad_x[i] = 0;
  each_window(s, AverageKind::kWithoutPadding,
              [&](size_t at, size_t first, size_t rows, size_t columns, double) {
                for (size_t r = 0; r < rows; ++r) {
                  for (size_t c = 0; c < columns; ++c) {
                    const size_t here = first + (r * s.width.in + c) * s.channels;
                    if (x[here] != y[at] && x[here] == x[here]) continue;
                    grad_x[here] += grad_y[at];
                    return;
                  }
                }
              });
}

template <class T>
void average_pool_forward(Context&, const PoolSizes& s, AverageKind kind, const T* x, T* y) {
  each_window(s, kind, [&](size_t at, size_t first, size_t rows, size_t columns, double divisor) {
    double sum = 0;
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < columns; ++c) sum += double(x[first + (r * s.width.in + c) * s.channels]);
    }
    y[at] = T(sum / divisor);
  });
}

template <class T>
void average_pool_backward(Context&, const PoolSizes& s, AverageKind kind, const T* grad_y, T* grad_x) {
  for (size_t i = 0; i < input_count(s); ++i) grad_x[i] = 0;
  each_window(s, kind, [&](size_t at, size_t first, size_t rows, size_t columns, double divisor) {
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < columns; ++c) {
        grad_x[first + (r * s.width.in + c) * s.channels] += T(double(grad_y[at]) / divisor);
      }
    }
  });
}

}  // namespace bpnet::reference
