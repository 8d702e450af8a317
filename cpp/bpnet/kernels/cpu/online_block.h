// The first layer of an online chain, a block of k samples at a time. Its inputs are all known, so W₀X and
// the closing update are matrix products, and one sample costs a correction by the samples before it. With
// W₀, b₀ the weights at the block's start, η the rate, λ the decay, ρ = 1 − ηλ (of weight and bias, each):
//
//   s_t = ρᵗ W₀x_t + ρᵗ b₀ − Σ_{i<t} (η ρ^{t−1−i} x_i·x_t + η_b ρ_b^{t−1−i}) δ_i
//   W_k = ρᵏ W₀ − η Σ_i ρ^{k−1−i} δ_i x_iᵀ,  b_k likewise
//
// This is the sample-by-sample loop in another order of additions. Samples that are passed over do not count.
#pragma once

#include "bpnet/kernels/cpu/gemm.h"
#include "bpnet/kernels/cpu/online_loss.h"

namespace {

struct OnlineBlock {
  const OnlineLayer* layer;         // null: the layer is updated at once
  size_t length;                    // most samples in a block
  real* x;                          // (length, in) the block's inputs
  real* s;                          // (length, out) W₀x
  real* gram;                       // (length, length) x_i·x_t
  real* delta;                      // (length, out)
  real *weight_share, *bias_share;  // (length,) ρ^{t−1−i}, 0 for samples passed over
  real weight_left, bias_left;      // ρᵗ
  bpnet::Context scratch;           // of the products
};

// A smaller layer stays in the first-level cache and is updated at once.
constexpr size_t kBlockedWeights = 4096;
constexpr size_t kOnlineBlock = 32;

inline size_t block_length(const OnlineLayer& layer, size_t asked, size_t count) {
  if (!layer.weight || count < 2 || layer.in * layer.out < kBlockedWeights) return 1;
  return smaller(asked ? asked : kOnlineBlock, count);
}

inline size_t block_elements(const OnlineLayer& layer, size_t length) {
  return length * (layer.in + 2 * layer.out + length + 2);
}

inline size_t block_products(const OnlineLayer& layer, size_t length) {  // bytes
  const size_t forward = gemm_workspace({layer.out, length, layer.in});
  const size_t gram = gemm_workspace({length, length, layer.in});
  const size_t update = gemm_workspace({layer.out, layer.in, length});
  return larger(forward, larger(gram, update));
}

inline OnlineBlock make_block(const OnlineLayer& layer, size_t length, real* memory, bpnet::Context scratch) {
  OnlineBlock block = {};
  block.layer = &layer;
  block.length = length;
  const auto take = [&](size_t count) {
    real* const at = memory;
    memory += count;
    return at;
  };
  block.x = take(length * layer.in);
  block.s = take(length * layer.out);
  block.gram = take(length * length);
  block.delta = take(length * layer.out);
  block.weight_share = take(length);
  block.bias_share = take(length);
  block.scratch = scratch;
  return block;
}

// Takes the inputs of the samples that come, `count` of them.
inline void begin_block(OnlineBlock& block, const real* x, const uint64_t* order, size_t count) {
  const size_t in = block.layer->in, out = block.layer->out;
  for (size_t t = 0; t < count; ++t) {
    __builtin_memcpy(block.x + t * in, x + size_t(order[t]) * in, in * sizeof(real));
  }
  const Operand turned = {block.x, 1, in};
  gemm(block.scratch, {out, count, in}, {block.layer->weight, in, 1}, turned, {block.s, out, true, false},
       kNoEpilogue);
  gemm(block.scratch, {count, count, in}, {block.x, in, 1}, turned, {block.gram, block.length, false, false},
       kNoEpilogue);
  block.weight_left = block.bias_left = 1;
}

// s (out,) of sample t of the block
inline void block_forward(const OnlineBlock& block, size_t t, real* s) {
  const OnlineLayer& layer = *block.layer;
  const real* product = block.s + t * layer.out;
  for (size_t j = 0; j < layer.out; ++j) s[j] = block.weight_left * product[j];
  if (layer.bias) {
    for (size_t j = 0; j < layer.out; ++j) s[j] += block.bias_left * layer.bias[j];
  }
  const real* gram = block.gram + t * block.length;
  const real weight_rate = real(layer.weight_rate), bias_rate = layer.bias ? real(layer.bias_rate) : real(0);
  for (size_t i = 0; i < t; ++i) {
    const real share = weight_rate * block.weight_share[i] * gram[i] + bias_rate * block.bias_share[i];
    const real* delta = block.delta + i * layer.out;
    for (size_t j = 0; j < layer.out; ++j) s[j] -= share * delta[j];
  }
}

// Sample t has been learnt from, with this δ (out,).
inline void block_backward(OnlineBlock& block, size_t t, const real* delta) {
  const OnlineLayer& layer = *block.layer;
  __builtin_memcpy(block.delta + t * layer.out, delta, layer.out * sizeof(real));
  const real keep = real(1 - layer.weight_rate * layer.weight_decay);
  const real bias_keep = real(1 - layer.bias_rate * layer.bias_decay);
  for (size_t i = 0; i < t; ++i) {
    block.weight_share[i] *= keep;
    block.bias_share[i] *= bias_keep;
  }
  block.weight_left *= keep;
  block.bias_left *= bias_keep;
  block.weight_share[t] = block.bias_share[t] = 1;
}

// Sample t has no weight.
inline void pass_over(OnlineBlock& block, size_t t) {
  for (size_t j = 0; j < block.layer->out; ++j) block.delta[t * block.layer->out + j] = 0;
  block.weight_share[t] = block.bias_share[t] = 0;
}

// The update by the block's first `count` samples.
inline void end_block(OnlineBlock& block, size_t count) {
  if (count == 0) return;
  const OnlineLayer& layer = *block.layer;
  if (layer.bias) {
    for (size_t j = 0; j < layer.out; ++j) layer.bias[j] *= block.bias_left;
  }
  for (size_t i = 0; i < count; ++i) {
    real* delta = block.delta + i * layer.out;
    const real bias_step = real(layer.bias_rate) * block.bias_share[i];
    const real weight_step = real(-layer.weight_rate) * block.weight_share[i];
    for (size_t j = 0; j < layer.out; ++j) {
      if (layer.bias) layer.bias[j] -= bias_step * delta[j];
      delta[j] *= weight_step;
    }
  }
  if (block.weight_left != 1) {
    for (size_t i = 0; i < layer.in * layer.out; ++i) layer.weight[i] *= block.weight_left;
  }
  gemm(block.scratch, {layer.out, layer.in, count}, {block.delta, 1, layer.out}, {block.x, layer.in, 1},
       {layer.weight, layer.in, false, true}, kNoEpilogue);
}

}  // namespace
