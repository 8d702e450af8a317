// Means over windows that neither overlap nor exceed the map, with channels that fit one vector: whole
// vectors are loaded and stored in ascending order, so the lanes beyond a position's channels are overwritten
// by the next one's.
#pragma once

#include "bpnet/kernels/cpu/base/channels.h"
#include "bpnet/kernels/cpu/base/chunks.h"
#include "bpnet/kernels/kernels.h"

namespace {

inline bool is_tiled(const bpnet::WindowAxis& a) {
  return a.stride == a.kernel && a.dilation == 1 && a.before == 0 && a.out * a.kernel <= a.in;
}
inline bool is_narrow(const bpnet::PoolSizes& s, bpnet::AverageKind kind) {
  return kind != bpnet::AverageKind::kAdaptive && s.channels <= kLanes && is_tiled(s.height) &&
         is_tiled(s.width);
}

// Division by the window's size; where that is a power of two, multiplying by its inverse is the same.
struct WindowMean {
  real size;
  bool exact;

  explicit WindowMean(const bpnet::PoolSizes& s) : size(real(s.height.kernel * s.width.kernel)) {
    const size_t count = s.height.kernel * s.width.kernel;
    exact = (count & (count - 1)) == 0;
  }
  vec operator()(vec sum) const { return exact ? sum * (1 / size) : sum / size; }
};

inline void narrow_average_forward(const bpnet::PoolSizes& s, const real* x, real* y) {
  const size_t channels = s.channels, in_row = s.width.in * channels, out_row = s.width.out * channels;
  const size_t down = s.height.kernel, along = s.width.kernel;
  const real* const x_end = x + s.n * s.height.in * in_row;
  const WindowMean mean(s);
  run_chunks(s.n * s.height.out, rows_per_chunk(out_row), [&](size_t begin, size_t end, size_t) {
    const real* const y_end = y + end * out_row;
    real* to = y + begin * out_row;
    for (size_t r = begin; r < end; ++r) {
      const real* const rows = x + (r / s.height.out * s.height.in + r % s.height.out * down) * in_row;
      for (size_t o = 0; o < s.width.out; ++o, to += channels) {
        vec sum = {};
        for (size_t ky = 0; ky < down; ++ky) {
          const real* from = rows + ky * in_row + o * along * channels;
          for (size_t kx = 0; kx < along; ++kx, from += channels) {
            sum += load_within(from, channels, x_end);
          }
        }
        store_within(to, mean(sum), channels, y_end);
      }
    }
  });
}

inline void narrow_average_backward(const bpnet::PoolSizes& s, const real* grad_y, real* grad_x) {
  const size_t channels = s.channels, in_row = s.width.in * channels, out_row = s.width.out * channels;
  const size_t rest_columns = (s.width.in - s.width.out * s.width.kernel) * channels;
  const size_t rest_rows = s.height.in - s.height.out * s.height.kernel;
  const real* const y_end = grad_y + s.n * s.height.out * out_row;
  const WindowMean mean(s);
  // The first row of inputs under row r of outputs; a map's last row of outputs also has the rows outside all
  // windows.
  const auto first_row = [&](size_t r) {
    return r / s.height.out * s.height.in + r % s.height.out * s.height.kernel;
  };
  run_chunks(s.n * s.height.out, rows_per_chunk(s.height.kernel * in_row),
             [&](size_t begin, size_t end, size_t) {
               real* to = grad_x + first_row(begin) * in_row;
               const real* const x_end = grad_x + first_row(end) * in_row;
               for (size_t r = begin; r < end; ++r) {
                 for (size_t ky = 0; ky < s.height.kernel; ++ky) {
                   const real* from = grad_y + r * out_row;
                   for (size_t o = 0; o < s.width.out; ++o, from += channels) {
                     const vec grad = mean(load_within(from, channels, y_end));
                     for (size_t kx = 0; kx < s.width.kernel; ++kx, to += channels) {
                       store_within(to, grad, channels, x_end);
                     }
                   }
                   for (size_t i = 0; i < rest_columns; ++i) *to++ = 0;
                 }
                 if (r % s.height.out + 1 < s.height.out) continue;
                 for (size_t i = 0; i < rest_rows * in_row; ++i) *to++ = 0;
               }
             });
}

}  // namespace
