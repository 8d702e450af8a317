// Pooling over channels-last maps: every channel is a lane, so that all windows run over whole vectors.
#pragma once

#include "bpnet/kernels/cpu/base/chunks.h"
#include "bpnet/kernels/cpu/pooling_narrow.h"
#include "bpnet/kernels/kernels.h"

namespace {

using bpnet::AverageKind;

// The inputs begin, begin + dilation … of a window along one axis, `count` of them, and how many with the
// padding that counts.
struct PoolRange {
  size_t begin, count, padded;
};

inline PoolRange pool_range(const bpnet::WindowAxis& axis, AverageKind kind, size_t o) {
  if (kind == AverageKind::kAdaptive) {
    const size_t begin = o * axis.in / axis.out, end = ceil_divide((o + 1) * axis.in, axis.out);
    return {begin, end - begin, end - begin};
  }
  const size_t first = o * axis.stride;  // in the padded map
  const size_t missed = ceil_divide(larger(first, axis.before) - first, axis.dilation);
  const size_t begin = first + missed * axis.dilation - axis.before;
  const size_t count = smaller(axis.kernel - missed, ceil_divide(axis.in - begin, axis.dilation));
  if (kind != AverageKind::kWithPadding) return {begin, count, count};
  return {begin, count, smaller(axis.kernel, axis.in + 2 * axis.before - first)};  // undilated
}

inline size_t pool_input(const bpnet::PoolSizes& s) { return s.height.in * s.width.in * s.channels; }

// One window: the image's inputs it sees and the index of its output.
struct PoolWindow {
  PoolRange rows, columns;
  size_t first, output;  // indices of channel 0 in x and y
};

inline PoolWindow pool_window(const bpnet::PoolSizes& s, AverageKind kind, size_t n, size_t oy, size_t ox) {
  const PoolRange rows = pool_range(s.height, kind, oy), columns = pool_range(s.width, kind, ox);
  return {rows, columns, ((n * s.height.in + rows.begin) * s.width.in + columns.begin) * s.channels,
          ((n * s.height.out + oy) * s.width.out + ox) * s.channels};
}

// Calls body(window) for every window; outputs are shared out by rows of the map.
template <class Body>
inline void each_window(const bpnet::PoolSizes& s, AverageKind kind, const Body& body) {
  const size_t rows = s.n * s.height.out, row = s.width.out * s.channels;
  run_chunks(rows, rows_per_chunk(row), [&](size_t begin, size_t end, size_t) {
    for (size_t r = begin; r < end; ++r) {
      for (size_t ox = 0; ox < s.width.out; ++ox) {
        body(pool_window(s, kind, r / s.height.out, r % s.height.out, ox));
      }
    }
  });
}

// Calls body(index in x of its channel 0) for every input of the window, row by row.
template <class Body>
inline void each_tap(const bpnet::PoolSizes& s, const PoolWindow& window, const Body& body) {
  const size_t down = s.height.dilation * s.width.in * s.channels, along = s.width.dilation * s.channels;
  for (size_t r = 0; r < window.rows.count; ++r) {
    const size_t row = window.first + r * down;
    for (size_t c = 0; c < window.columns.count; ++c) body(row + c * along);
  }
}

// Windows overlap, so gradients are shared out by images and channels: calls body(window, c0, count), the
// windows of an image in order, after clearing grad_x.
constexpr size_t kPoolChannels = 64;

template <class Body>
inline void each_window_back(const bpnet::PoolSizes& s, AverageKind kind, real* grad_x, const Body& body) {
  const size_t parts = ceil_divide(s.channels, kPoolChannels);
  run_tasks(s.n * parts, s.n * pool_input(s) < kChunk, [&](size_t task) {
    const size_t n = task / parts, c0 = task % parts * kPoolChannels;
    const size_t count = smaller(kPoolChannels, s.channels - c0);
    real* image = grad_x + n * pool_input(s) + c0;
    for (size_t position = 0; position < s.height.in * s.width.in; ++position) {
      for (size_t c = 0; c < count; ++c) image[position * s.channels + c] = 0;
    }
    for (size_t oy = 0; oy < s.height.out; ++oy) {
      for (size_t ox = 0; ox < s.width.out; ++ox) body(pool_window(s, kind, n, oy, ox), c0, count);
    }
  });
}

void max_pool_forward(bpnet::Context&, const bpnet::PoolSizes& s, const real* x, real* y) {
  each_window(s, AverageKind::kWithoutPadding, [&](const PoolWindow& window) {
    for (size_t c = 0; c < s.channels; c += kLanes) {
      const size_t count = s.channels - c;
      vec most = load_lanes(x + window.first + c, count);
      each_tap(s, window, [&](size_t at) {
        const vec value = load_lanes(x + at + c, count);
        most = ((value > most) | (value != value)) ? value : most;
      });
      store_lanes(y + window.output + c, most, count);
    }
  });
}

void max_pool_backward(bpnet::Context&, const bpnet::PoolSizes& s, const real* x, const real* y,
                       const real* grad_y, real* grad_x) {
  const auto body = [&](const PoolWindow& window, size_t c0, size_t channels) {
    for (size_t c = c0; c < c0 + channels; c += kLanes) {
      const size_t count = c0 + channels - c;
      const vec most = load_lanes(y + window.output + c, count);
      vec grad = load_lanes(grad_y + window.output + c, count);
      each_tap(s, window, [&](size_t at) {
        const vec value = load_lanes(x + at + c, count);
        const ivec here = (value == most) | (value != value);
        store_lanes(grad_x + at + c, load_lanes(grad_x + at + c, count) + (here ? grad : vec{}), count);
        grad = here ? vec{} : grad;  // only the first one has it
      });
    }
  };
  each_window_back(s, AverageKind::kWithoutPadding, grad_x, body);
}

void average_pool_forward(bpnet::Context&, const bpnet::PoolSizes& s, AverageKind kind, const real* x,
                          real* y) {
  if (is_narrow(s, kind)) return narrow_average_forward(s, x, y);
  each_window(s, kind, [&](const PoolWindow& window) {
    const real divisor = real(window.rows.padded * window.columns.padded);
    for (size_t c = 0; c < s.channels; c += kLanes) {
      const size_t count = s.channels - c;
      vec sum = {};
      each_tap(s, window, [&](size_t at) { sum += load_lanes(x + at + c, count); });
      store_lanes(y + window.output + c, sum / divisor, count);
    }
  });
}

void average_pool_backward(bpnet::Context&, const bpnet::PoolSizes& s, AverageKind kind, const real* grad_y,
                           real* grad_x) {
  if (is_narrow(s, kind)) return narrow_average_backward(s, grad_y, grad_x);
  each_window_back(s, kind, grad_x, [&](const PoolWindow& window, size_t c0, size_t channels) {
    const real divisor = real(window.rows.padded * window.columns.padded);
    for (size_t c = c0; c < c0 + channels; c += kLanes) {
      const size_t count = c0 + channels - c;
      const vec grad = load_lanes(grad_y + window.output + c, count) / divisor;
      each_tap(s, window, [&](size_t at) {
        store_lanes(grad_x + at + c, load_lanes(grad_x + at + c, count) + grad, count);
      });
    }
  });
}

}  // namespace
