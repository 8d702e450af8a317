// The three products of a convolution, windows by weights. The gradient by the input is a convolution of
// grad_y: with a stride, one for each phase of the positions, whose windows have a subset of the taps.
#pragma once

#include "bpnet/kernels/cpu/base/column_sums.h"
#include "bpnet/kernels/cpu/bfloat16/direct.h"
#include "bpnet/kernels/cpu/bfloat16/weights.h"

namespace {

struct ConvolutionMemory {
  float* weight;            // as large as w, in the order of the product
  bfloat16* images;         // x or grad_y
  unsigned char* products;  // scratch of the products and of the bias's sums
};

inline size_t positions(const bpnet::ConvolutionSizes& s) { return s.n * map_positions(s); }

inline WindowTaps taps_of(const bpnet::WindowAxis& axis) {
  return {axis.out, axis.in, axis.stride, -ptrdiff_t(axis.before), axis.dilation, axis.kernel};
}

// x, and grad_y with the padding zeros of the windows of every phase.
inline Images images_of_x(const bpnet::ConvolutionSizes& s) {
  Images images = {s.n, s.height.in, s.width.in, s.channels, s.groups, {}, {}};
  images.down.include(taps_of(s.height));
  images.along.include(taps_of(s.width));
  return images;
}
inline Zeros zeros_of_phases(const bpnet::WindowAxis& axis) {
  Zeros zeros = {};
  for (size_t first = 0; first < phases_of(axis); ++first) {
    const WindowTaps outputs = phase_of(axis, first).outputs;
    if (outputs.taps > 0) zeros.include(outputs);
  }
  return zeros;
}
inline Images images_of_y(const bpnet::ConvolutionSizes& s) {
  return {s.n,
          s.height.out,
          s.width.out,
          s.out_channels,
          s.groups,
          zeros_of_phases(s.height),
          zeros_of_phases(s.width)};
}

inline ConvolutionMemory convolution_memory(Scratch& scratch, const bpnet::ConvolutionSizes& s) {
  const size_t out = group_outputs(s), patch = patch_size(s), inputs = s.n * s.height.in * s.width.in;
  const size_t window = s.height.kernel * s.width.kernel;
  const size_t in = group_channels(s);
  const size_t forward = larger(product_workspace({positions(s), out, patch}), direct_workspace(out, patch));
  const size_t input =
      larger(product_workspace({inputs, in, window * out}), direct_workspace(in, window * out));
  const size_t weight = product_in_parts_workspace({out, patch, positions(s)});
  const size_t bias = column_sums_bytes(positions(s), s.out_channels);
  const size_t images = larger(images_of_x(s).elements(), images_of_y(s).elements());
  return {scratch.take<float>(s.out_channels * patch), scratch.take<bfloat16>(is_pointwise(s) ? 0 : images),
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

// The windows of a group on the rounded x.
struct WindowsOfX {
  WindowsOfX(const bpnet::ConvolutionSizes& sizes, const float* from, bfloat16* to)
      : s(sizes), x(from), rounded(to), images(images_of_x(sizes)) {
    if (!is_pointwise(s)) round_images(images, x, rounded);
  }
  Factor of(size_t g, bool across) const {
    if (is_pointwise(s)) return matrix_of(x + g * group_channels(s), s.channels, across);
    return rows_of(windows_on(images, rounded, g, taps_of(s.height), taps_of(s.width)), across);
  }

  const bpnet::ConvolutionSizes& s;
  const float* x;
  bfloat16* rounded;
  Images images;
};

// The arguments of forward except the weights.
struct Forward {
  const TileUnit& unit;
  const bpnet::Kernels<float>& base;
  const bpnet::ConvolutionSizes& s;
  const float *x, *bias;
  bpnet::Activation activation;
  float* y;
};

// weights_of(g): a group's, (out, patch)
template <class WeightsOf>
inline void multiply_groups(const Forward& f, const ConvolutionMemory& memory, const WeightsOf& weights_of) {
  const size_t out = group_outputs(f.s);
  const WindowsOfX windows(f.s, f.x, memory.images);
  for (size_t g = 0; g < f.s.groups; ++g) {
    multiply_windows({f.unit,
                      {positions(f.s), out, patch_size(f.s)},
                      windows.of(g, false),
                      weights_of(g),
                      {f.y + g * out, f.s.out_channels, false},
                      {&f.base, f.bias ? f.bias + g * out : nullptr, f.activation}},
                     {memory.products});
  }
}

inline void convolution_forward(const TileUnit& unit, const bpnet::Kernels<float>& base,
                                bpnet::Context& context, const bpnet::ConvolutionSizes& s, const float* x,
                                const float* w, const float* bias, bpnet::Activation act, float* y) {
  const ConvolutionMemory memory = convolution_memory(context, s);
  const size_t patch = patch_size(s), group = group_outputs(s) * patch;
  reorder_weight(s, w, memory.weight);
  multiply_groups({unit, base, s, x, bias, act, y}, memory,
                  [&](size_t g) { return matrix_of(memory.weight + g * group, patch, false); });
}

inline size_t prepared_group(const bpnet::ConvolutionSizes& s) {  // elements
  return prepared_elements(group_outputs(s), patch_size(s));
}

inline void convolution_prepare(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const float* w,
                                void* prepared) {
  float* const weight = convolution_memory(context, s).weight;
  const size_t out = group_outputs(s), patch = patch_size(s);
  reorder_weight(s, w, weight);
  for (size_t g = 0; g < s.groups; ++g) {
    prepare_columns(matrix_of(weight + g * out * patch, patch, false), out, patch,
                    static_cast<bfloat16*>(prepared) + g * prepared_group(s));
  }
}

inline void convolution_forward_prepared(const TileUnit& unit, const bpnet::Kernels<float>& base,
                                         bpnet::Context& context, const bpnet::ConvolutionSizes& s,
                                         const float* x, const void* prepared, const float* bias,
                                         bpnet::Activation act, float* y) {
  const bfloat16* const panels = static_cast<const bfloat16*>(prepared);
  multiply_groups({unit, base, s, x, bias, act, y}, convolution_memory(context, s),
                  [&](size_t g) { return prepared_columns(panels + g * prepared_group(s), patch_size(s)); });
}

inline void convolution_backward_weight(const TileUnit& unit, bpnet::Context& context,
                                        const bpnet::ConvolutionSizes& s, const float* x, const float* grad_y,
                                        float* grad_w, float* grad_bias, bool accumulate) {
  const ConvolutionMemory memory = convolution_memory(context, s);
  const size_t out = group_outputs(s), patch = patch_size(s);
  const WindowsOfX windows(s, x, memory.images);
  for (size_t g = 0; g < s.groups; ++g) {
    product_in_parts({unit,
                      {out, patch, positions(s)},
                      matrix_of(grad_y + g * out, s.out_channels, true),
                      windows.of(g, true),
                      {memory.weight + g * out * patch, patch, false},
                      kNoFinish},
                     {memory.products});
  }
  restore_weight(s, memory.weight, grad_w, accumulate);
  if (grad_bias) add_column_sums(context, positions(s), s.out_channels, grad_y, grad_bias, accumulate);
}

inline void clear_phase(const bpnet::ConvolutionSizes& s, const ImageRows& rows, float* grad_x) {
  const Target target = {grad_x, 0, false, &rows};
  run_chunks(s.n * rows.down * rows.along, rows_per_chunk(group_channels(s)),
             [&](size_t begin, size_t end, size_t) {
               for (size_t i = begin; i < end; ++i) {
                 float* const row = target.row(i);
                 for (size_t c = 0; c < group_channels(s); ++c) row[c] = 0;
               }
             });
}

// The arguments of backward_input except the phase and the group.
struct InputGradient {
  const TileUnit& unit;
  const bpnet::ConvolutionSizes& s;
  const ConvolutionMemory& memory;
  const Images& images;  // grad_y
  const float *grad_y, *w;
  float* grad_x;
};

inline void phase_backward_input(const InputGradient& p, const Phase& down, const Phase& along, size_t g) {
  const bpnet::ConvolutionSizes& s = p.s;
  const size_t out = group_outputs(s), in = group_channels(s);
  const size_t row = s.width.in * s.channels;
  const ImageRows rows = {down.outputs.positions, along.outputs.positions, s.height.in * row,
                          s.height.stride * row, s.width.stride * s.channels};
  float* const to = p.grad_x + down.first * row + along.first * s.channels + g * in;
  const size_t k = down.outputs.taps * along.outputs.taps * out;
  if (k == 0) return clear_phase(s, rows, to);
  phase_weight(s, down, along, p.w + g * out * patch_size(s), p.memory.weight);
  const bool dense = s.height.stride == 1 && s.width.stride == 1;
  multiply_windows(
      {p.unit,
       {s.n * rows.down * rows.along, in, k},
       is_pointwise(s)
           ? matrix_of(p.grad_y + g * out, s.out_channels, false)
           : rows_of(windows_on(p.images, p.memory.images, g, down.outputs, along.outputs), false),
       matrix_of(p.memory.weight, in, true),
       {to, s.channels, false, dense ? nullptr : &rows},
       kNoFinish},
      {p.memory.products});
}

inline void convolution_backward_input(const TileUnit& unit, bpnet::Context& context,
                                       const bpnet::ConvolutionSizes& s, const float* grad_y, const float* w,
                                       float* grad_x) {
  const ConvolutionMemory memory = convolution_memory(context, s);
  const Images images = images_of_y(s);
  if (!is_pointwise(s)) round_images(images, grad_y, memory.images);
  for (size_t g = 0; g < s.groups; ++g) {
    for (size_t y = 0; y < phases_of(s.height); ++y) {
      for (size_t x = 0; x < phases_of(s.width); ++x) {
        phase_backward_input({unit, s, memory, images, grad_y, w, grad_x}, phase_of(s.height, y),
                             phase_of(s.width, x), g);
      }
    }
  }
}

}  // namespace
