// The three products of a convolution, windows by weights. The gradient by the input is a convolution of
// grad_y: with a stride, one for each phase of the positions, whose windows see a part of the taps.
#pragma once

#include "bpnet/kernels/cpu/base/column_sums.h"
#include "bpnet/kernels/cpu/bfloat16/gemm.h"
#include "bpnet/kernels/cpu/convolution/patches.h"

namespace {

struct ConvolutionMemory {
  float* weight;            // as many as w, in the order of the product
  unsigned char* products;  // and of the sums for the bias
};

inline size_t positions(const bpnet::ConvolutionSizes& s) { return s.n * map_positions(s); }

inline ConvolutionMemory convolution_memory(Scratch& scratch, const bpnet::ConvolutionSizes& s) {
  const size_t out = group_outputs(s), patch = patch_size(s), inputs = s.n * s.height.in * s.width.in;
  const size_t window = s.height.kernel * s.width.kernel;
  const size_t forward = product_workspace({positions(s), out, patch});
  const size_t input = product_workspace({inputs, group_channels(s), window * out});
  const size_t weight = product_in_parts_workspace({out, patch, positions(s)});
  const size_t bias = column_sums_bytes(positions(s), s.out_channels);
  return {scratch.take<float>(s.out_channels * patch),
          scratch.take<unsigned char>(larger(larger(forward, input), larger(weight, bias)))};
}

inline size_t convolution_workspace(const bpnet::ConvolutionSizes& s) {
  Scratch scratch = {nullptr};
  convolution_memory(scratch, s);
  return scratch.bytes;
}

inline ConvolutionMemory convolution_memory(bpnet::Context& context, const bpnet::ConvolutionSizes& s) {
  Scratch scratch = {context.scratch};
  return convolution_memory(scratch, s);
}

inline WindowTaps taps_of(const bpnet::WindowAxis& axis) {
  return {axis.out, axis.in, axis.stride, -ptrdiff_t(axis.before), ptrdiff_t(axis.dilation), axis.kernel};
}

// What the windows of group g see of x.
inline Windows windows_of(const bpnet::ConvolutionSizes& s, const float* x, size_t g) {
  const size_t in = group_channels(s);
  return {x + g * in, s.channels, in, taps_of(s.height), taps_of(s.width)};
}

inline void convolution_forward(const TileUnit& unit, const bpnet::Kernels<float>& base,
                                bpnet::Context& context, const bpnet::ConvolutionSizes& s, const float* x,
                                const float* w, const float* bias, bpnet::Activation act, float* y) {
  const ConvolutionMemory memory = convolution_memory(context, s);
  const size_t out = group_outputs(s), patch = patch_size(s);
  reorder_weight(s, w, memory.weight);
  for (size_t g = 0; g < s.groups; ++g) {
    run_product({unit,
                 {positions(s), out, patch},
                 rows_of(windows_of(s, x, g), false),
                 matrix_of(memory.weight + g * out * patch, patch, false),
                 {y + g * out, s.out_channels, false},
                 {&base, bias ? bias + g * out : nullptr, act}},
                {memory.products}, kMostDepth, false);
  }
}

inline void convolution_backward_weight(const TileUnit& unit, bpnet::Context& context,
                                        const bpnet::ConvolutionSizes& s, const float* x, const float* grad_y,
                                        float* grad_w, float* grad_bias, bool accumulate) {
  const ConvolutionMemory memory = convolution_memory(context, s);
  const size_t out = group_outputs(s), patch = patch_size(s);
  for (size_t g = 0; g < s.groups; ++g) {
    product_in_parts({unit,
                      {out, patch, positions(s)},
                      matrix_of(grad_y + g * out, s.out_channels, true),
                      rows_of(windows_of(s, x, g), true),
                      {memory.weight + g * out * patch, patch, false},
                      kNoFinish},
                     {memory.products});
  }
  restore_weight(s, memory.weight, grad_w, accumulate);
  if (grad_bias) {
    bpnet::Context own = context;
    add_column_sums(own, positions(s), s.out_channels, grad_y, grad_bias, accumulate);
  }
}

// Along one axis, the inputs first, first + stride …: the taps that see them are tap, tap + every …, and tap
// t sees input i from output (i + before − t·dilation) / stride.
struct Phase {
  size_t first;
  size_t tap, every;
  WindowTaps outputs;  // as the windows of these inputs on the map of outputs; no taps: none sees them
};

inline Phase phase_of(const bpnet::WindowAxis& axis, size_t first) {
  Phase phase = {first, 0, 1, {}};
  const size_t stride = axis.stride;
  const auto fits = [&](size_t tap) {
    return (first + axis.before) % stride == tap * axis.dilation % stride;
  };
  while (phase.tap < axis.kernel && !fits(phase.tap)) ++phase.tap;
  while (phase.tap + phase.every < axis.kernel && !fits(phase.tap + phase.every)) ++phase.every;
  const size_t taps = phase.tap < axis.kernel ? ceil_divide(axis.kernel - phase.tap, phase.every) : 0;
  const ptrdiff_t shift = ptrdiff_t(first + axis.before) - ptrdiff_t(phase.tap * axis.dilation);
  const ptrdiff_t step = taps > 1 ? ptrdiff_t(phase.every * axis.dilation / stride) : 1;
  phase.outputs = {ceil_divide(axis.in - first, stride), axis.out, 1, shift / ptrdiff_t(stride), -step, taps};
  return phase;
}

// (tap down, tap along, channel of y, channel of x) for the taps of a phase, from (channel of y, channel of
// x, tap down, tap along)
inline void phase_weight(const bpnet::ConvolutionSizes& s, const Phase& down, const Phase& along,
                         const float* w, float* to) {
  const size_t out = group_outputs(s), in = group_channels(s), width = s.width.kernel;
  const size_t window = s.height.kernel * width, taps = along.outputs.taps;
  run_tasks(down.outputs.taps * taps, out * in < kChunk, [&](size_t index) {
    const size_t ky = down.tap + index / taps * down.every, kx = along.tap + index % taps * along.every;
    const float* const from = w + ky * width + kx;
    for (size_t i = 0; i < out * in; ++i) to[index * out * in + i] = from[i * window];
  });
}

inline void clear_phase(const bpnet::ConvolutionSizes& s, const ImageRows& rows, float* grad_x) {
  const Target target = {grad_x, 0, false, &rows};
  run_chunks(s.n * rows.down * rows.along, rows_per_chunk(group_channels(s)),
             [&](size_t begin, size_t end, size_t) {
               for (size_t i = begin; i < end; ++i) clear_run(group_channels(s), target.row(i));
             });
}

inline void phase_backward_input(const TileUnit& unit, bpnet::Context& context,
                                 const bpnet::ConvolutionSizes& s, const Phase& down, const Phase& along,
                                 size_t g, const float* grad_y, const float* w, float* grad_x) {
  const ConvolutionMemory memory = convolution_memory(context, s);
  const size_t out = group_outputs(s), in = group_channels(s);
  const size_t row = s.width.in * s.channels;
  const ImageRows rows = {down.outputs.positions, along.outputs.positions, s.height.in * row,
                          s.height.stride * row, s.width.stride * s.channels};
  float* const to = grad_x + down.first * row + along.first * s.channels + g * in;
  const size_t k = down.outputs.taps * along.outputs.taps * out;
  if (k == 0) return clear_phase(s, rows, to);
  phase_weight(s, down, along, w + g * out * patch_size(s), memory.weight);
  const Windows windows = {grad_y + g * out, s.out_channels, out, down.outputs, along.outputs};
  const bool dense = s.height.stride == 1 && s.width.stride == 1;
  run_product({unit,
               {s.n * rows.down * rows.along, in, k},
               rows_of(windows, false),
               matrix_of(memory.weight, in, true),
               {to, s.channels, false, dense ? nullptr : &rows},
               kNoFinish},
              {memory.products}, kMostDepth, false);
}

inline void convolution_backward_input(const TileUnit& unit, bpnet::Context& context,
                                       const bpnet::ConvolutionSizes& s, const float* grad_y, const float* w,
                                       float* grad_x) {
  for (size_t g = 0; g < s.groups; ++g) {
    for (size_t y = 0; y < smaller(s.height.stride, s.height.in); ++y) {
      for (size_t x = 0; x < smaller(s.width.stride, s.width.in); ++x) {
        phase_backward_input(unit, context, s, phase_of(s.height, y), phase_of(s.width, x), g, grad_y, w,
                             grad_x);
      }
    }
  }
}

}  // namespace
