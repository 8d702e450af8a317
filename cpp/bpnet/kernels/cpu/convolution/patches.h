// Patches of a convolution: what the window sees at some positions, as the rows of a matrix. A row holds
// (kernel height, kernel width, channels of the group).
#pragma once

#include "bpnet/kernels/cpu/base/chunks.h"
#include "bpnet/kernels/kernels.h"

namespace {

// About so many elements of patches are gathered at once.
constexpr size_t kPatchElements = size_t{1} << 20;

inline size_t group_channels(const bpnet::ConvolutionSizes& s) { return s.channels / s.groups; }
inline size_t group_outputs(const bpnet::ConvolutionSizes& s) { return s.out_channels / s.groups; }
inline size_t map_positions(const bpnet::ConvolutionSizes& s) { return s.height.out * s.width.out; }
inline size_t patch_size(const bpnet::ConvolutionSizes& s) {
  return s.height.kernel * s.width.kernel * group_channels(s);
}
inline size_t positions_per_block(const bpnet::ConvolutionSizes& s) {
  return smaller(s.n * map_positions(s), larger(1, kPatchElements / patch_size(s)));
}

// A 1 × 1 kernel at every position sees the inputs in the order in which they are stored.
inline bool is_pointwise(const bpnet::WindowAxis& axis) {
  return axis.kernel == 1 && axis.stride == 1 && axis.before == 0 && axis.in == axis.out;
}
inline bool is_pointwise(const bpnet::ConvolutionSizes& s) {
  return is_pointwise(s.height) && is_pointwise(s.width);
}

constexpr size_t kMostTaps = 128;

inline bool is_depthwise(const bpnet::ConvolutionSizes& s) {
  return s.groups > 1 && s.groups == s.channels && s.out_channels == s.channels &&
         s.height.kernel * s.width.kernel <= kMostTaps;
}

// What the gradient of the inputs is the convolution of: that of the outputs, padded, with the weights
// mirrored.
inline bool has_mirror(const bpnet::ConvolutionSizes& s) {
  return s.height.stride == 1 && s.width.stride == 1 &&
         s.height.before <= (s.height.kernel - 1) * s.height.dilation && s.width.before < s.width.kernel;
}
inline bpnet::WindowAxis mirrored(const bpnet::WindowAxis& a) {
  return {a.out, a.in, a.kernel, 1, a.dilation, (a.kernel - 1) * a.dilation - a.before};
}
inline bpnet::ConvolutionSizes mirrored(const bpnet::ConvolutionSizes& s) {
  return {s.n, mirrored(s.height), mirrored(s.width), s.out_channels, s.channels, s.groups};
}

// Between (out, in/groups, kernel) and (out, kernel, in/groups).
inline void reorder_weight(const bpnet::ConvolutionSizes& s, const real* w, real* reordered) {
  const size_t window = s.height.kernel * s.width.kernel, in = group_channels(s), patch = window * in;
  run_chunks(s.out_channels, rows_per_chunk(patch), [&](size_t begin, size_t end, size_t) {
    for (size_t c = begin; c < end; ++c) {
      for (size_t t = 0; t < window; ++t) {
        for (size_t j = 0; j < in; ++j) reordered[c * patch + t * in + j] = w[c * patch + j * window + t];
      }
    }
  });
}

inline void restore_weight(const bpnet::ConvolutionSizes& s, const real* reordered, real* w, bool add) {
  const size_t window = s.height.kernel * s.width.kernel, in = group_channels(s), patch = window * in;
  run_chunks(s.out_channels, rows_per_chunk(patch), [&](size_t begin, size_t end, size_t) {
    for (size_t c = begin; c < end; ++c) {
      for (size_t j = 0; j < in; ++j) {
        for (size_t t = 0; t < window; ++t) {
          real& to = w[c * patch + j * window + t];
          to = reordered[c * patch + t * in + j] + (add ? to : real(0));
        }
      }
    }
  });
}

inline void copy_run(size_t count, const real* from, real* to) {
  for (size_t i = 0; i < count; ++i) to[i] = from[i];
}
inline void clear_run(size_t count, real* to) {
  for (size_t i = 0; i < count; ++i) to[i] = 0;
}

// The taps begin … end−1 of the window of output o are within the axis.
struct Taps {
  size_t begin, end;
};
inline Taps taps_within(const bpnet::WindowAxis& axis, size_t o) {
  const size_t first = o * axis.stride;  // of the padded axis
  const size_t begin = first < axis.before ? ceil_divide(axis.before - first, axis.dilation) : 0;
  const size_t edge = axis.in + axis.before;  // where the inputs end
  const size_t end = first < edge ? smaller(axis.kernel, ceil_divide(edge - first, axis.dilation)) : 0;
  return {smaller(begin, end), end};
}

// One row of patches: what group g sees at (oy, ox) of the image x.
__attribute__((noinline)) void gather_patch(const bpnet::ConvolutionSizes& s, const real* x, size_t g,
                                            size_t oy, size_t ox, real* patch) {
  const bpnet::WindowAxis &h = s.height, &w = s.width;
  const size_t in = group_channels(s), row = w.kernel * in;
  const Taps down = taps_within(h, oy), along = taps_within(w, ox);
  for (size_t ky = 0; ky < h.kernel; ++ky, patch += row) {
    if (ky < down.begin || ky >= down.end || along.begin == along.end) {
      clear_run(row, patch);
      continue;
    }
    const size_t iy = oy * h.stride + ky * h.dilation - h.before;
    const size_t ix = ox * w.stride + along.begin * w.dilation - w.before;
    const real* from = x + (iy * w.in + ix) * s.channels + g * in;
    clear_run(along.begin * in, patch);
    if (s.groups == 1 && w.dilation == 1) {
      copy_run((along.end - along.begin) * in, from, patch + along.begin * in);
    } else {
      for (size_t kx = along.begin; kx < along.end; ++kx, from += w.dilation * s.channels) {
        copy_run(in, from, patch + kx * in);
      }
    }
    clear_run((w.kernel - along.end) * in, patch + along.end * in);
  }
}

inline void gather_patches(const bpnet::ConvolutionSizes& s, const real* x, size_t g, size_t begin,
                           size_t end, real* patches) {
  const size_t patch = patch_size(s), image = s.height.in * s.width.in * s.channels;
  run_chunks(end - begin, rows_per_chunk(patch), [&](size_t from, size_t to, size_t) {
    for (size_t p = from; p < to; ++p) {
      const size_t position = begin + p, within = position % map_positions(s);
      gather_patch(s, x + position / map_positions(s) * image, g, within / s.width.out, within % s.width.out,
                   patches + p * patch);
    }
  });
}

// grad_x of one row of inputs of an image, (channels of g) of each, += the patches of positions begin … end−1
// that see it.
__attribute__((noinline)) void scatter_row(const bpnet::ConvolutionSizes& s, const real* patches, size_t g,
                                           size_t n, size_t iy, size_t begin, size_t end, real* grad_row) {
  const bpnet::WindowAxis &h = s.height, &w = s.width;
  const size_t in = group_channels(s), patch = patch_size(s);
  for (size_t ky = 0; ky < h.kernel; ++ky) {
    const size_t shifted = iy + h.before, back = ky * h.dilation;
    if (shifted < back || (shifted - back) % h.stride != 0) continue;
    const size_t oy = (shifted - back) / h.stride;
    if (oy >= h.out) continue;
    const size_t first = (n * h.out + oy) * w.out;  // position of ox = 0
    const size_t ox0 = begin > first ? begin - first : 0, ox1 = end > first ? smaller(w.out, end - first) : 0;
    for (size_t ox = ox0; ox < ox1; ++ox) {
      const Taps along = taps_within(w, ox);
      if (along.begin == along.end) continue;
      const size_t ix = ox * w.stride + along.begin * w.dilation - w.before;
      const real* from = patches + (first + ox - begin) * patch + (ky * w.kernel + along.begin) * in;
      real* to = grad_row + ix * s.channels + g * in;
      const bool dense = s.groups == 1 && w.dilation == 1;
      const size_t runs = dense ? 1 : along.end - along.begin;
      const size_t count = dense ? (along.end - along.begin) * in : in;
      for (size_t run = 0; run < runs; ++run, from += in, to += w.dilation * s.channels) {
        for (size_t i = 0; i < count; ++i) to[i] += from[i];
      }
    }
  }
}

inline void scatter_patches(const bpnet::ConvolutionSizes& s, const real* patches, size_t g, size_t begin,
                            size_t end, real* grad_x) {
  const size_t row = s.width.in * s.channels;
  const size_t first = begin / map_positions(s), last = (end - 1) / map_positions(s);  // images
  run_chunks((last - first + 1) * s.height.in, rows_per_chunk(row * s.height.kernel),
             [&](size_t from, size_t to, size_t) {
               for (size_t r = from; r < to; ++r) {
                 const size_t n = first + r / s.height.in, iy = r % s.height.in;
                 scatter_row(s, patches, g, n, iy, begin, end, grad_x + (n * s.height.in + iy) * row);
               }
             });
}

}  // namespace
