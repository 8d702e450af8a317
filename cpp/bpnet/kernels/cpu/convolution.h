// Convolution by patches: what the window sees at some positions is gathered into the rows of a matrix, a
// block of positions at a time, and multiplied by the weights. A row holds (kernel height, kernel width,
// channels of the group), and the weights are turned into that order first.
#pragma once

#include "bpnet/kernels/cpu/gemm.h"

namespace {

// About so many elements of patches are gathered at once.
constexpr size_t kPatchElements = size_t{1} << 20;
// At most so many partial sums of the gradient of the bias.
constexpr size_t kBiasParts = 64;

inline size_t group_channels(const bpnet::ConvolutionSizes& s) { return s.channels / s.groups; }
inline size_t group_outputs(const bpnet::ConvolutionSizes& s) { return s.out_channels / s.groups; }
inline size_t map_positions(const bpnet::ConvolutionSizes& s) { return s.height.out * s.width.out; }
inline size_t patch_size(const bpnet::ConvolutionSizes& s) {
  return s.height.kernel * s.width.kernel * group_channels(s);
}
inline size_t positions_per_block(const bpnet::ConvolutionSizes& s) {
  return smaller(s.n * map_positions(s), larger(1, kPatchElements / patch_size(s)));
}

// A 1 × 1 kernel at every position sees the inputs as they lie.
inline bool is_pointwise(const bpnet::WindowAxis& axis) {
  return axis.kernel == 1 && axis.stride == 1 && axis.before == 0 && axis.in == axis.out;
}
inline bool is_pointwise(const bpnet::ConvolutionSizes& s) {
  return is_pointwise(s.height) && is_pointwise(s.width);
}

struct ConvolutionMemory {
  real* weight;     // (out_channels, patch)
  real* patches;    // (positions, patch)
  real* bias_sums;  // (kBiasParts, out_channels)
};

inline size_t cache_lines(size_t count) { return ceil_divide(count * sizeof(real), 64) * 64; }

inline size_t convolution_products_workspace(const bpnet::ConvolutionSizes& s) {
  const size_t rows = is_pointwise(s) ? s.n * map_positions(s) : positions_per_block(s);
  const size_t out = group_outputs(s), patch = patch_size(s);
  const size_t forward = gemm_workspace({rows, out, patch}), input = gemm_workspace({rows, patch, out});
  const size_t weight = gemm_workspace({out, patch, rows});
  return cache_lines(larger(forward, larger(input, weight)) / sizeof(real));
}

inline ConvolutionMemory convolution_memory(bpnet::Context& context, const bpnet::ConvolutionSizes& s) {
  unsigned char* weight = context.scratch + convolution_products_workspace(s);
  unsigned char* bias_sums = weight + cache_lines(s.out_channels * patch_size(s));
  unsigned char* patches = bias_sums + cache_lines(kBiasParts * s.out_channels);
  return {reinterpret_cast<real*>(weight), reinterpret_cast<real*>(patches),
          reinterpret_cast<real*>(bias_sums)};
}

size_t convolution_workspace(const bpnet::ConvolutionSizes& s) {
  const size_t patches = is_pointwise(s) ? 0 : positions_per_block(s) * patch_size(s);
  return convolution_products_workspace(s) + cache_lines(s.out_channels * patch_size(s)) +
         cache_lines(kBiasParts * s.out_channels) + cache_lines(patches);
}

// Between (out, in/groups, kernel) and (out, kernel, in/groups).
inline void turn_weight(const bpnet::ConvolutionSizes& s, const real* w, real* turned) {
  const size_t window = s.height.kernel * s.width.kernel, in = group_channels(s), patch = window * in;
  run_chunks(s.out_channels, rows_per_chunk(patch), [&](size_t begin, size_t end, size_t) {
    for (size_t c = begin; c < end; ++c) {
      for (size_t t = 0; t < window; ++t) {
        for (size_t j = 0; j < in; ++j) turned[c * patch + t * in + j] = w[c * patch + j * window + t];
      }
    }
  });
}

inline void turn_weight_back(const bpnet::ConvolutionSizes& s, const real* turned, real* w, bool add) {
  const size_t window = s.height.kernel * s.width.kernel, in = group_channels(s), patch = window * in;
  run_chunks(s.out_channels, rows_per_chunk(patch), [&](size_t begin, size_t end, size_t) {
    for (size_t c = begin; c < end; ++c) {
      for (size_t j = 0; j < in; ++j) {
        for (size_t t = 0; t < window; ++t) {
          real& to = w[c * patch + j * window + t];
          to = turned[c * patch + t * in + j] + (add ? to : real(0));
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

// The taps begin … end−1 of the window of output o lie within the axis.
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

// Calls body(g, begin, end) for every group and block of positions.
template <class Body>
inline void each_block(const bpnet::ConvolutionSizes& s, const Body& body) {
  const size_t count = s.n * map_positions(s);
  const size_t block = is_pointwise(s) ? count : positions_per_block(s);
  for (size_t begin = 0; begin < count; begin += block) {
    for (size_t g = 0; g < s.groups; ++g) body(g, begin, smaller(count, begin + block));
  }
}

// The patches of a group at the positions of a block, as the left operand of a product.
inline Operand patches_of(const bpnet::ConvolutionSizes& s, const real* x, size_t g, size_t begin, size_t end,
                          real* patches) {
  if (is_pointwise(s)) return {x + begin * s.channels + g * group_channels(s), s.channels, 1};
  gather_patches(s, x, g, begin, end, patches);
  return {patches, patch_size(s), 1};
}

void convolution_forward(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const real* x,
                         const real* w, const real* bias, bpnet::Activation act, real* y) {
  const ConvolutionMemory memory = convolution_memory(context, s);
  const size_t out = group_outputs(s), patch = patch_size(s);
  turn_weight(s, w, memory.weight);
  each_block(s, [&](size_t g, size_t begin, size_t end) {
    const Operand a = patches_of(s, x, g, begin, end, memory.patches);
    gemm(context, {end - begin, out, patch}, a, {memory.weight + g * out * patch, 1, patch},
         {y + begin * s.out_channels + g * out, s.out_channels, false, false},
         {bias ? bias + g * out : nullptr, act});
  });
}

void convolution_backward_input(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const real* grad_y,
                                const real* w, real* grad_x) {
  const ConvolutionMemory memory = convolution_memory(context, s);
  const size_t out = group_outputs(s), patch = patch_size(s), in = group_channels(s);
  turn_weight(s, w, memory.weight);
  if (!is_pointwise(s)) {
    run_chunks(s.n * s.height.in * s.width.in * s.channels, kChunk,
               [&](size_t begin, size_t end, size_t) { clear_run(end - begin, grad_x + begin); });
  }
  each_block(s, [&](size_t g, size_t begin, size_t end) {
    Result c = {memory.patches, patch, false, false};
    if (is_pointwise(s)) c = {grad_x + begin * s.channels + g * in, s.channels, false, false};
    gemm(context, {end - begin, patch, out}, {grad_y + begin * s.out_channels + g * out, s.out_channels, 1},
         {memory.weight + g * out * patch, patch, 1}, c, kNoEpilogue);
    if (!is_pointwise(s)) scatter_patches(s, memory.patches, g, begin, end, grad_x);
  });
}

// grad_bias = or += the sums of the columns of grad_y (rows, columns)
inline void sum_columns(size_t rows, size_t columns, const real* grad_y, real* sums, real* grad_bias,
                        bool accumulate) {
  const size_t chunk = larger(rows_per_chunk(columns), ceil_divide(rows, kBiasParts));
  run_chunks(rows, chunk, [&](size_t begin, size_t end, size_t index) {
    real* to = sums + index * columns;
    clear_run(columns, to);
    for (size_t r = begin; r < end; ++r) {
      for (size_t c = 0; c < columns; ++c) to[c] += grad_y[r * columns + c];
    }
  });
  if (!accumulate) clear_run(columns, grad_bias);
  for (size_t part = 0; part < ceil_divide(rows, chunk); ++part) {
    for (size_t c = 0; c < columns; ++c) grad_bias[c] += sums[part * columns + c];
  }
}

void convolution_backward_weight(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const real* x,
                                 const real* grad_y, real* grad_w, real* grad_bias, bool accumulate) {
  const ConvolutionMemory memory = convolution_memory(context, s);
  const size_t out = group_outputs(s), patch = patch_size(s);
  each_block(s, [&](size_t g, size_t begin, size_t end) {
    const Operand patches = patches_of(s, x, g, begin, end, memory.patches);
    gemm(context, {out, patch, end - begin}, {grad_y + begin * s.out_channels + g * out, 1, s.out_channels},
         patches, {memory.weight + g * out * patch, patch, false, begin > 0}, kNoEpilogue);
  });
  turn_weight_back(s, memory.weight, grad_w, accumulate);
  if (grad_bias) {
    sum_columns(s.n * map_positions(s), s.out_channels, grad_y, memory.bias_sums, grad_bias, accumulate);
  }
}

}  // namespace
