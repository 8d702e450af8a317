// A table derived from that of float32: products in bfloat16, the rest unchanged.
#pragma once

#include "bpnet/kernels/cpu/bfloat16/convolution.h"
#include "bpnet/kernels/cpu/bfloat16/linear.h"
#include "bpnet/kernels/preparation.h"
#include "bpnet/kernels/tables.h"

namespace {

constexpr size_t kFewChannels = 16, kFewWeights = 2560;

// Which convolutions are computed in float32: a tile of 16 × 32 is mostly zeros for them, and float32 has
// faster algorithms.
inline bool stays_in_float32(const bpnet::ConvolutionSizes& s) {
  const bool few = s.channels < kFewChannels && patch_size(s) * s.out_channels < kFewWeights;
  return is_depthwise(s) || (s.groups == 1 && few);
}

// Products by one tile unit.
template <const TileUnit& kUnit>
struct Products {
  using Table = bpnet::Kernels<float>;

  // For everything that is not a product in bfloat16.
  static const Table& float32() { return bpnet::best_float32_kernels(); }

  static size_t workspace(const bpnet::ConvolutionSizes& s) {
    return stays_in_float32(s) ? float32().convolution_workspace(s) : convolution_workspace(s);
  }
  static void forward(bpnet::Context& context, bpnet::LinearSizes s, const float* x, const float* w,
                      const float* bias, bpnet::Activation act, float* y) {
    linear_forward(kUnit, float32(), context, s, x, w, bias, act, y);
  }
  static void forward_prepared(bpnet::Context& context, bpnet::LinearSizes s, const float* x,
                               const void* prepared, const float* bias, bpnet::Activation act, float* y) {
    linear_forward_prepared(kUnit, float32(), context, s, x, prepared, bias, act, y);
  }
  static void backward_input(bpnet::Context& context, bpnet::LinearSizes s, const float* grad_y,
                             const float* w, float* grad_x) {
    linear_backward_input(kUnit, context, s, grad_y, w, grad_x);
  }
  static void backward_weight(bpnet::Context& context, bpnet::LinearSizes s, const float* x,
                              const float* grad_y, float* grad_w, float* grad_bias, bool accumulate) {
    linear_backward_weight(kUnit, context, s, x, grad_y, grad_w, grad_bias, accumulate);
  }
  static void forward(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const float* x,
                      const float* w, const float* bias, bpnet::Activation act, float* y) {
    if (stays_in_float32(s)) return float32().convolution_forward(context, s, x, w, bias, act, y);
    convolution_forward(kUnit, float32(), context, s, x, w, bias, act, y);
  }
  static size_t prepared_size(const bpnet::ConvolutionSizes& s) {
    return stays_in_float32(s) ? 0 : s.groups * prepared_group(s) * sizeof(bfloat16);
  }
  static void forward_prepared(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const float* x,
                               const void* prepared, const float* bias, bpnet::Activation act, float* y) {
    convolution_forward_prepared(kUnit, float32(), context, s, x, prepared, bias, act, y);
  }
  static void backward_input(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const float* grad_y,
                             const float* w, float* grad_x) {
    if (stays_in_float32(s)) return float32().convolution_backward_input(context, s, grad_y, w, grad_x);
    convolution_backward_input(kUnit, context, s, grad_y, w, grad_x);
  }
  static void backward_weight(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const float* x,
                              const float* grad_y, float* grad_w, float* grad_bias, bool accumulate) {
    if (stays_in_float32(s)) {
      return float32().convolution_backward_weight(context, s, x, grad_y, grad_w, grad_bias, accumulate);
    }
    convolution_backward_weight(kUnit, context, s, x, grad_y, grad_w, grad_bias, accumulate);
  }

  // Layers are run one by one: a chain's kernel would multiply in float32.
  static Table table() {
    Table result = float32();
    result.linear_workspace = linear_workspace;
    result.linear_forward = forward;
    result.linear_backward_input = backward_input;
    result.linear_backward_weight = backward_weight;
    result.convolution_workspace = workspace;
    result.convolution_forward = forward;
    result.convolution_backward_input = backward_input;
    result.convolution_backward_weight = backward_weight;
    result.chain_workspace = nullptr;
    result.chain_gradients = nullptr;
    return result;
  }

  static constexpr bpnet::Preparation<float> kPreparation = {linear_prepared_size, linear_prepare,
                                                             forward_prepared,     prepared_size,
                                                             convolution_prepare,  forward_prepared};
};

}  // namespace
