// Convolutions: the algorithm for each shape.
#pragma once

#include "bpnet/kernels/cpu/base/column_sums.h"
#include "bpnet/kernels/cpu/base/scratch.h"
#include "bpnet/kernels/cpu/convolution/depthwise.h"
#include "bpnet/kernels/cpu/convolution/sample_lanes.h"
#include "bpnet/kernels/cpu/convolution/sample_lanes_weight.h"
#include "bpnet/kernels/cpu/convolution/weight_gradient.h"
#include "bpnet/kernels/cpu/convolution/window_product.h"
#include "bpnet/kernels/cpu/convolution/window_rows.h"
#include "bpnet/kernels/cpu/convolution/winograd.h"

namespace {

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
  const size_t bias = column_sums_bytes(s.n * map_positions(s), s.out_channels);
  Scratch window = {nullptr}, gradient = {nullptr};
  if (is_depthwise(s)) {
    depthwise_memory(window, s);
    return larger(bias, window.bytes);
  }
  packed_weights(window, s);
  gradient_memory(gradient, s);
  const size_t few_channels = larger(rows_workspace(s), lanes_workspace(s));
  const size_t winograd = suits_winograd(s) ? larger(bias, winograd_workspace(s)) : winograd_workspace(s);
  return larger(larger(few_channels, winograd), larger(window.bytes, gradient.bytes));
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
  Scratch scratch = {context.scratch};
  if (is_depthwise(s)) {
    const DepthwiseMemory memory = depthwise_memory(scratch, s);
    depthwise_weight(s, w, memory.weight);
    return run_depthwise<OutputsOf>({s, x, memory.weight, bias, y}, act);
  }
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
  Scratch scratch = {context.scratch};
  if (is_depthwise(s)) {
    const DepthwiseMemory memory = depthwise_memory(scratch, s);
    depthwise_weight(s, w, memory.weight);
    return run_depthwise<InputsOf>({s, grad_y, memory.weight, nullptr, grad_x}, kNoEpilogue.activation);
  }
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

void convolution_backward_weight(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const real* x,
                                 const real* grad_y, real* grad_w, real* grad_bias, bool accumulate) {
  const auto add_bias = [&] {  // its scratch can be reused afterwards
    if (grad_bias) {
      add_column_sums(context, s.n * map_positions(s), s.out_channels, grad_y, grad_bias, accumulate);
    }
  };
  if (context.winograd && suits_winograd(s)) {
    add_bias();
    return winograd_backward_weight(context, s, x, grad_y, grad_w, accumulate);
  }
  if (runs_on_rows(s)) return rows_backward_weight(context, s, x, grad_y, grad_w, grad_bias, accumulate);
  if (runs_in_lanes(s)) return lanes_backward_weight(context, s, x, grad_y, grad_w, grad_bias, accumulate);
  Scratch scratch = {context.scratch};
  if (!is_depthwise(s)) {
    return weight_gradient(s, gradient_memory(scratch, s), x, grad_y, grad_w, grad_bias, accumulate);
  }
  add_bias();
  depthwise_backward_weight(s, depthwise_memory(scratch, s), x, grad_y, grad_w, accumulate);
}

}  // namespace
