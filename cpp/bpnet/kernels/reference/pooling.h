#pragma once

#include "bpnet/kernels/kernels.h"

namespace bpnet::reference {

// The inputs begin, begin + step … of a window along one axis, `count` of them.
struct Range {
  size_t begin, count, step;
  size_t padded;  // their number including the padding that counts
};

inline Range window(const WindowAxis& axis, AverageKind kind, size_t o) {
  if (kind == AverageKind::kAdaptive) {
    const size_t begin = o * axis.in / axis.out, end = ((o + 1) * axis.in + axis.out - 1) / axis.out;
    return {begin, end - begin, 1, end - begin};
  }
  const size_t first = o * axis.stride;  // in the padded map
  Range range = {0, 0, axis.dilation, 0};
  for (size_t t = 0; t < axis.kernel; ++t) {
    const size_t at = first + t * axis.dilation;
    if (at < axis.in + 2 * axis.before) ++range.padded;
    if (at < axis.before || at - axis.before >= axis.in) continue;
    if (range.count == 0) range.begin = at - axis.before;
    ++range.count;
  }
  if (kind == AverageKind::kWithoutPadding) range.padded = range.count;
  return range;
}

// One window of one channel.
struct Window {
  size_t output;  // index in y
  size_t first;   // index in x of its first input
  Range rows, columns;
  size_t down, along;  // from one of its inputs to the next, in x
  double divisor;

  size_t input(size_t r, size_t c) const { return first + r * down + c * along; }
};

template <class Function>
void each_window(const PoolSizes& s, AverageKind kind, const Function& function) {
  for (size_t n = 0; n < s.n; ++n) {
    for (size_t oy = 0; oy < s.height.out; ++oy) {
      for (size_t ox = 0; ox < s.width.out; ++ox) {
        const Range rows = window(s.height, kind, oy), columns = window(s.width, kind, ox);
        for (size_t c = 0; c < s.channels; ++c) {
          function(Window{((n * s.height.out + oy) * s.width.out + ox) * s.channels + c,
                          ((n * s.height.in + rows.begin) * s.width.in + columns.begin) * s.channels + c,
                          rows, columns, rows.step * s.width.in * s.channels, columns.step * s.channels,
                          double(rows.padded * columns.padded)});
        }
      }
    }
  }
}

inline size_t input_count(const PoolSizes& s) { return s.n * s.height.in * s.width.in * s.channels; }

template <class T>
void max_pool_forward(Context&, const PoolSizes& s, const T* x, T* y) {
  each_window(s, AverageKind::kWithoutPadding, [&](const Window& w) {
    T most = x[w.first];
    for (size_t r = 0; r < w.rows.count; ++r) {
      for (size_t c = 0; c < w.columns.count; ++c) {
        const T value = x[w.input(r, c)];
        if (value > most || value != value) most = value;
      }
    }
    y[w.output] = most;
  });
}

template <class T>
void max_pool_backward(Context&, const PoolSizes& s, const T* x, const T* y, const T* grad_y, T* grad_x) {
  for (size_t i = 0; i < input_count(s); ++i) grad_x[i] = 0;
  each_window(s, AverageKind::kWithoutPadding, [&](const Window& w) {
    for (size_t r = 0; r < w.rows.count; ++r) {
      for (size_t c = 0; c < w.columns.count; ++c) {
        const size_t here = w.input(r, c);
        if (x[here] != y[w.output] && x[here] == x[here]) continue;
        grad_x[here] += grad_y[w.output];
        return;
      }
    }
  });
}

template <class T>
void average_pool_forward(Context&, const PoolSizes& s, AverageKind kind, const T* x, T* y) {
  each_window(s, kind, [&](const Window& w) {
    double sum = 0;
    for (size_t r = 0; r < w.rows.count; ++r) {
      for (size_t c = 0; c < w.columns.count; ++c) sum += double(x[w.input(r, c)]);
    }
    y[w.output] = T(sum / w.divisor);
  });
}

template <class T>
void average_pool_backward(Context&, const PoolSizes& s, AverageKind kind, const T* grad_y, T* grad_x) {
  for (size_t i = 0; i < input_count(s); ++i) grad_x[i] = 0;
  each_window(s, kind, [&](const Window& w) {
    for (size_t r = 0; r < w.rows.count; ++r) {
      for (size_t c = 0; c < w.columns.count; ++c) {
        grad_x[w.input(r, c)] += T(double(grad_y[w.output]) / w.divisor);
      }
    }
  });
}

}  // namespace bpnet::reference
