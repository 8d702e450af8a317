// Convolution by patches: those of a block of positions are gathered into a matrix and multiplied by the
// weights, whose rows are first brought into the order of a patch. Channels that each see themselves alone
// are in depthwise.h.
#pragma once

#include "bpnet/kernels/cpu/base/scratch.h"
#include "bpnet/kernels/cpu/convolution/depthwise.h"
#include "bpnet/kernels/cpu/convolution/patches.h"
#include "bpnet/kernels/cpu/convolution/winograd.h"
#include "bpnet/kernels/cpu/product/gemm.h"

namespace {

// At most so many partial sums of the gradient of the bias.
constexpr size_t kBiasParts = 64;

struct ConvolutionMemory {
  unsigned char* products;    // scratch of the matrix products, first: gemm takes it from the context
  real* weight;               // (out_channels, patch)
  real* bias_sums;            // (kBiasParts, out_channels)
  real* patches;              // (positions, patch)
  DepthwiseMemory depthwise;  // of a depthwise one, which has only this and the bias's sums
};

inline size_t convolution_products(const bpnet::ConvolutionSizes& s) {  // bytes
  const size_t rows = is_pointwise(s) ? s.n * map_positions(s) : positions_per_block(s);
  const size_t out = group_outputs(s), patch = patch_size(s);
  const size_t forward = gemm_workspace({rows, out, patch}), input = gemm_workspace({rows, patch, out});
  return larger(gemm_workspace({out, patch, rows}), larger(forward, input));
}

inline ConvolutionMemory convolution_memory(Scratch& scratch, const bpnet::ConvolutionSizes& s) {
  const size_t patch = patch_size(s);
  if (is_depthwise(s)) {
    return {nullptr, nullptr, scratch.take<real>(kBiasParts * s.channels), nullptr,
            depthwise_memory(scratch, s)};
  }
  return {scratch.take<unsigned char>(convolution_products(s)),
          scratch.take<real>(s.out_channels * patch),
          scratch.take<real>(kBiasParts * s.out_channels),
          scratch.take<real>(is_pointwise(s) ? 0 : positions_per_block(s) * patch),
          {}};
}

inline ConvolutionMemory convolution_memory(bpnet::Context& context, const bpnet::ConvolutionSizes& s) {
  Scratch scratch = {context.scratch};
  return convolution_memory(scratch, s);
}

size_t convolution_workspace(const bpnet::ConvolutionSizes& s) {
  Scratch scratch = {nullptr};
  convolution_memory(scratch, s);
  return larger(scratch.bytes, winograd_workspace(s));
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
  if (context.winograd && suits_winograd(s)) return winograd_forward(context, s, x, w, bias, act, y);
  const ConvolutionMemory memory = convolution_memory(context, s);
  if (is_depthwise(s)) {
    depthwise_weight(s, w, memory.depthwise.weight);
    return run_depthwise<OutputsOf>({s, x, memory.depthwise.weight, bias, y}, act);
  }
  const size_t out = group_outputs(s), patch = patch_size(s);
  reorder_weight(s, w, memory.weight);
  each_block(s, [&](size_t g, size_t begin, size_t end) {
    const Operand a = patches_of(s, x, g, begin, end, memory.patches);
    gemm(context, {end - begin, out, patch}, a, {memory.weight + g * out * patch, 1, patch},
         {y + begin * s.out_channels + g * out, s.out_channels, false, false},
         {bias ? bias + g * out : nullptr, act});
  });
}

void convolution_backward_input(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const real* grad_y,
                                const real* w, real* grad_x) {
  if (context.winograd && suits_winograd(mirrored(s))) {
    return winograd_backward_input(context, s, grad_y, w, grad_x);
  }
  const ConvolutionMemory memory = convolution_memory(context, s);
  if (is_depthwise(s)) {
    depthwise_weight(s, w, memory.depthwise.weight);
    return run_depthwise<InputsOf>({s, grad_y, memory.depthwise.weight, nullptr, grad_x},
                                   kNoEpilogue.activation);
  }
  const size_t out = group_outputs(s), patch = patch_size(s), in = group_channels(s);
  reorder_weight(s, w, memory.weight);
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
  if (grad_bias) {
    sum_columns(s.n * map_positions(s), s.out_channels, grad_y, memory.bias_sums, grad_bias, accumulate);
  }
  if (context.winograd && suits_winograd(s)) {
    return winograd_backward_weight(context, s, x, grad_y, grad_w, accumulate);
  }
  if (is_depthwise(s)) return depthwise_backward_weight(s, memory.depthwise, x, grad_y, grad_w, accumulate);
  const size_t out = group_outputs(s), patch = patch_size(s);
  each_block(s, [&](size_t g, size_t begin, size_t end) {
    const Operand patches = patches_of(s, x, g, begin, end, memory.patches);
    gemm(context, {out, patch, end - begin}, {grad_y + begin * s.out_channels + g * out, 1, s.out_channels},
         patches, {memory.weight + g * out * patch, patch, false, begin > 0}, kNoEpilogue);
  });
  restore_weight(s, memory.weight, grad_w, accumulate);
}

}  // namespace
