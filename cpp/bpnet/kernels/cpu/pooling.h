// Pooling over channels-last maps: every channel is a lane, so all windows are processed in whole vectors.
#pragma once

#include "bpnet/kernels/cpu/base/channels.h"
#include "bpnet/kernels/cpu/base/chunks.h"
#include "bpnet/kernels/cpu/base/rows.h"
#include "bpnet/kernels/cpu/pooling_narrow.h"
#include "bpnet/kernels/kernels.h"

namespace {

using bpnet::AverageKind;

// The inputs begin, begin + dilation … of a window along one axis, `count` of them, and their number
// including the padding that counts.
struct PoolRange {
  size_t begin, count, padded;
};

inline PoolRange pool_range(const bpnet::WindowAxis& axis, AverageKind kind, size_t o) {
  if (kind == AverageKind::kAdaptive) {
    const size_t begin = o * axis.in / axis.out, end = ceil_divide((o + 1) * axis.in, axis.out);
    return {begin, end - begin, end - begin};
  }
  const size_t first = o * axis.stride;  // in the padded map
  const size_t missed = first < axis.before ? ceil_divide(axis.before - first, axis.dilation) : 0;
  const size_t begin = first + missed * axis.dilation - axis.before, most = axis.kernel - missed;
  const bool whole = begin + (most - 1) * axis.dilation < axis.in;  // true of most, which need no division
  const size_t count = whole ? most : ceil_divide(axis.in - begin, axis.dilation);
  if (kind != AverageKind::kWithPadding) return {begin, count, count};
  return {begin, count, smaller(axis.kernel, axis.in + 2 * axis.before - first)};  // undilated
}

inline size_t pool_input(const bpnet::PoolSizes& s) { return s.height.in * s.width.in * s.channels; }

// One window: its inputs in the image and the index of its output.
struct PoolWindow {
  PoolRange rows, columns;
  size_t first, output;  // indices of channel 0 in x and y
};

// Calls body(window) for every window of a row of outputs, of image n.
template <class Body>
inline void each_window_of_row(const bpnet::PoolSizes& s, AverageKind kind, size_t n, size_t oy,
                               const PoolRange& rows, const Body& body) {
  const size_t row = (n * s.height.in + rows.begin) * s.width.in;
  for (size_t ox = 0; ox < s.width.out; ++ox) {
    const PoolRange columns = pool_range(s.width, kind, ox);
    body(PoolWindow{rows, columns, (row + columns.begin) * s.channels,
                    ((n * s.height.out + oy) * s.width.out + ox) * s.channels});
  }
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

// y = of(window, c, count, the end of x) for the vector of channels from c on, all windows; the work is
// divided by rows of the map.
template <class Of>
inline void pool_forward(const bpnet::PoolSizes& s, AverageKind kind, const real* x, real* y, const Of& of) {
  const size_t rows = s.n * s.height.out, row = s.width.out * s.channels;
  const real* const x_end = x + s.n * pool_input(s);
  run_chunks(rows, rows_per_chunk(row), [&](size_t begin, size_t end, size_t) {
    const real* const y_end = y + end * row;
    for (size_t r = begin; r < end; ++r) {
      const size_t n = r / s.height.out, oy = r % s.height.out;
      each_window_of_row(s, kind, n, oy, pool_range(s.height, kind, oy), [&](const PoolWindow& window) {
        for (size_t c = 0; c < s.channels; c += kLanes) {
          const size_t count = s.channels - c;
          store_within(y + window.output + c, of(window, c, count, x_end), count, y_end);
        }
      });
    }
  });
}

// Windows overlap, so gradients are divided by images, and with few images by channels too: calls
// body(window, c, count, end) for the vectors of channels of the windows of an image in order, after clearing
// their inputs. `end` is that of the image, or null where its channels are divided.
constexpr size_t kPoolChannels = 64, kFewImages = 16;

template <class Body>
inline void pool_backward(const bpnet::PoolSizes& s, AverageKind kind, real* grad_x, const Body& body) {
  const size_t each = s.n < kFewImages ? kPoolChannels : s.channels, parts = ceil_divide(s.channels, each);
  const size_t row = s.width.in * s.channels;
  run_tasks(s.n * parts, s.n * pool_input(s) < kChunk, [&](size_t task) {
    const size_t n = task / parts, c0 = task % parts * each, end = smaller(c0 + each, s.channels);
    real* const image = grad_x + n * pool_input(s);
    size_t clear = 0;  // rows
    const auto clear_to = [&](size_t last) {
      for (; clear < last; ++clear) {
        for (size_t i = clear * row; i < (clear + 1) * row; i += s.channels) {
          fill_zero(end - c0, image + i + c0);
        }
      }
    };
    for (size_t oy = 0; oy < s.height.out; ++oy) {
      const PoolRange rows = pool_range(s.height, kind, oy);
      clear_to(rows.begin + (rows.count - 1) * s.height.dilation + 1);
      each_window_of_row(s, kind, n, oy, rows, [&](const PoolWindow& window) {
        for (size_t c = c0; c < end; c += kLanes) {
          body(window, c, end - c, parts == 1 ? image + pool_input(s) : image);
        }
      });
    }
    clear_to(s.height.in);
  });
}

// A NaN is larger than all numbers, and the first of several equal ones counts.
void max_pool_forward(bpnet::Context&, const bpnet::PoolSizes& s, const real* x, real* y) {
  pool_forward(s, AverageKind::kWithoutPadding, x, y,
               [&](const PoolWindow& window, size_t c, size_t count, const real* end) {
                 vec most = load_within(x + window.first + c, count, end);
                 each_tap(s, window, [&](size_t at) {
                   const vec value = load_within(x + at + c, count, end);
                   most = ((value <= most) | (most != most)) ? most : value;
                 });
                 return most;
               });
}

// The first largest input has exactly the bits of y, NaN included.
void max_pool_backward(bpnet::Context&, const bpnet::PoolSizes& s, const real* x, const real* y,
                       const real* grad_y, real* grad_x) {
  const real *const y_end = y + s.n * s.height.out * s.width.out * s.channels, *const x_end =
                                                                                   x + s.n * pool_input(s);
  pool_backward(s, AverageKind::kWithoutPadding, grad_x,
                [&](const PoolWindow& window, size_t c, size_t count, const real* end) {
                  const ivec most = ivec(load_within(y + window.output + c, count, y_end));
                  vec grad = load_channels(grad_y + window.output + c, count);
                  each_tap(s, window, [&](size_t at) {
                    const ivec here = ivec(load_within(x + at + c, count, x_end)) == most;
                    real* const to = grad_x + at + c;
                    store_within(to, load_within(to, count, end) + (here ? grad : vec{}), count, end);
                    grad = here ? vec{} : grad;  // only the first one has it
                  });
                });
}

void average_pool_forward(bpnet::Context&, const bpnet::PoolSizes& s, AverageKind kind, const real* x,
                          real* y) {
  if (is_narrow(s, kind)) return narrow_average_forward(s, x, y);
  pool_forward(s, kind, x, y, [&](const PoolWindow& window, size_t c, size_t count, const real* end) {
    vec sum = {};
    each_tap(s, window, [&](size_t at) { sum += load_within(x + at + c, count, end); });
    return sum / real(window.rows.padded * window.columns.padded);
  });
}

void average_pool_backward(bpnet::Context&, const bpnet::PoolSizes& s, AverageKind kind, const real* grad_y,
                           real* grad_x) {
  if (is_narrow(s, kind)) return narrow_average_backward(s, grad_y, grad_x);
  pool_backward(s, kind, grad_x, [&](const PoolWindow& window, size_t c, size_t count, const real* end) {
    const vec grad =
        load_channels(grad_y + window.output + c, count) / real(window.rows.padded * window.columns.padded);
    each_tap(s, window, [&](size_t at) {
      real* const to = grad_x + at + c;
      store_within(to, load_within(to, count, end) + grad, count, end);
    });
  });
}

}  // namespace
