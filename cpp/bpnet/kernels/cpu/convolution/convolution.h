// Convolutions: which way each shape is computed.
#pragma once

#include "bpnet/kernels/cpu/base/scratch.h"
#include "bpnet/kernels/cpu/convolution/depthwise.h"
#include "bpnet/kernels/cpu/convolution/sample_lanes.h"
#include "bpnet/kernels/cpu/convolution/sample_lanes_weight.h"
#include "bpnet/kernels/cpu/convolution/weight_gradient.h"
#include "bpnet/kernels/cpu/convolution/window_product.h"
#include "bpnet/kernels/cpu/convolution/window_rows.h"
#include "bpnet/kernels/cpu/convolution/winograd.h"

namespace {

// At most so many partial sums of the gradient of the bias, of a depthwise one and by Winograd's filtering.
constexpr size_t kBiasParts = 64;

struct DepthwiseScratch {
  real* bias_sums;  // (kBiasParts, out_channels)
  DepthwiseMemory depthwise;
};

inline DepthwiseScratch depthwise_scratch(Scratch scratch, const bpnet::ConvolutionSizes& s) {
  real* const bias_sums = scratch.take<real>(kBiasParts * s.channels);
  return {bias_sums, depthwise_memory(scratch, s)};
}

inline size_t input_panels(const bpnet::ConvolutionSizes& s) {  // of a group
  return s.height.kernel * s.width.kernel * group_outputs(s) * padded_columns(group_channels(s));
}
inline size_t output_panels(const bpnet::ConvolutionSizes& s) {
  return patch_size(s) * padded_columns(group_outputs(s));
}

// Packed weights: (groups, patch, outputs of the group), or the same of inputs.
inline real* packed_weights(Scratch& scratch, const bpnet::ConvolutionSizes& s) {
  return scratch.take<real>(s.groups * larger(input_panels(s), output_panels(s)));
}

size_t convolution_workspace(const bpnet::ConvolutionSizes& s) {
  Scratch window = {nullptr}, gradient = {nullptr};
  if (is_depthwise(s)) {
    window.take<real>(kBiasParts * s.channels);
    depthwise_memory(window, s);
    return window.bytes;
  }
  packed_weights(window, s);
  gradient_memory(gradient, s);
  const size_t few_channels = larger(rows_workspace(s), lanes_workspace(s));
  return larger(larger(few_channels, winograd_workspace(s)), larger(window.bytes, gradient.bytes));
}

// Calls pack(g, column) for every group and panel of `columns`.
template <class Pack>
inline void each_panel(size_t groups, size_t columns, size_t elements, const Pack& pack) {
  const size_t panels = ceil_divide(columns, kTileColumns);
  run_tasks(groups * panels, elements < 2 * kChunk,
            [&](size_t index) { pack(index / panels, index % panels * kTileColumns); });
}

void convolution_forward(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const real* x,
                         const real* w, const real* bias, bpnet::Activation act, real* y) {
  if (context.winograd && suits_winograd(s)) return winograd_forward(context, s, x, w, bias, act, y);
  if (runs_on_rows(s)) return rows_forward(context, s, x, w, bias, act, y);
  if (runs_in_lanes(s)) return lanes_forward(context, s, x, w, bias, act, y);
  if (is_depthwise(s)) {
    const DepthwiseScratch memory = depthwise_scratch({context.scratch}, s);
    depthwise_weight(s, w, memory.depthwise.weight);
    return run_depthwise<OutputsOf>({s, x, memory.depthwise.weight, bias, y}, act);
  }
  Scratch scratch = {context.scratch};
  real* const packed = packed_weights(scratch, s);
  const size_t out = group_outputs(s), patch = patch_size(s);
  const Window window = outputs_window(s);
  const auto panels = [&](size_t g) {
    return PackedPanels{packed + g * output_panels(s), patch, part_depth(patch), out};
  };
  each_panel(s.groups, out, s.out_channels * patch,
             [&](size_t g, size_t column) { pack_outputs(s, w + g * out * patch, panels(g), column); });
  run_windows(s.groups, 1, positions(window), out, patch, [&](size_t g, size_t) {
    return WindowProduct{
        window,         x + g * window.seen, panels(g),   y + g * out,
        s.out_channels, s.height.out,        s.width.out, {bias ? bias + g * out : nullptr, act}};
  });
}

void convolution_backward_input(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const real* grad_y,
                                const real* w, real* grad_x) {
  if (context.winograd && inputs_suit_winograd(s)) {
    return winograd_backward_input(context, s, grad_y, w, grad_x);
  }
  if (inputs_run_in_lanes(s)) return lanes_backward_input(context, s, grad_y, w, grad_x);
  if (is_depthwise(s)) {
    const DepthwiseScratch memory = depthwise_scratch({context.scratch}, s);
    depthwise_weight(s, w, memory.depthwise.weight);
    return run_depthwise<InputsOf>({s, grad_y, memory.depthwise.weight, nullptr, grad_x},
                                   kNoEpilogue.activation);
  }
  Scratch scratch = {context.scratch};
  real* const packed = packed_weights(scratch, s);
  const size_t out = group_outputs(s), patch = patch_size(s), in = group_channels(s);
  each_panel(s.groups, in, s.out_channels * patch, [&](size_t g, size_t column) {
    pack_inputs(s, w + g * out * patch, packed + g * input_panels(s), column);
  });
  run_windows(s.groups, input_classes(s), positions(inputs_window(s, 0)), in, most_taps(s) * out,
              [&](size_t g, size_t of_class) {
                return WindowProduct{inputs_window(s, of_class),
                                     grad_y + g * out,
                                     class_panels(s, packed + g * input_panels(s), of_class),
                                     grad_x + g * in,
                                     s.channels,
                                     s.height.in,
                                     s.width.in,
                                     kNoEpilogue};
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
  const size_t count = s.n * map_positions(s);
  if (context.winograd && suits_winograd(s)) {
    real* const sums =
        reinterpret_cast<real*>(context.scratch);  // free again when the weights' gradient begins
    if (grad_bias) sum_columns(count, s.out_channels, grad_y, sums, grad_bias, accumulate);
    return winograd_backward_weight(context, s, x, grad_y, grad_w, accumulate);
  }
  if (runs_on_rows(s)) return rows_backward_weight(context, s, x, grad_y, grad_w, grad_bias, accumulate);
  if (runs_in_lanes(s)) return lanes_backward_weight(context, s, x, grad_y, grad_w, grad_bias, accumulate);
  Scratch scratch = {context.scratch};
  if (!is_depthwise(s)) {
    return weight_gradient(s, gradient_memory(scratch, s), x, grad_y, grad_w, grad_bias, accumulate);
  }
  const DepthwiseScratch memory = depthwise_scratch(scratch, s);
  if (grad_bias) {
    sum_columns(count, s.out_channels, grad_y, memory.bias_sums, grad_bias, accumulate);
  }
  depthwise_backward_weight(s, memory.depthwise, x, grad_y, grad_w, accumulate);
}

}  // namespace
