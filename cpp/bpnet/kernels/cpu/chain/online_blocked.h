// Large layers of an online chain, a block of k samples at a time. With W₀, b₀ the weights at the block's
// start, η the rate, λ the decay, ρ = 1 − ηλ (of weight and bias, each):
//
//   s_t    = ρᵗ W₀x_t + ρᵗ b₀ − Σ_{i<t} (η ρ^{t−1−i} x_i·x_t + η_b ρ_b^{t−1−i}) δ_i
//   W_tᵀδ_t = ρᵗ W₀ᵀδ_t − η Σ_{i<t} ρ^{t−1−i} (δ_i·δ_t) x_i
//   W_k    = ρᵏ W₀ − η Σ_i ρ^{k−1−i} δ_i x_iᵀ,  b_k likewise
//
// This is the sample-by-sample loop in another order of additions. The first layer's inputs are all known, so
// its W₀X and x_i·x_t are matrix products too. The matrix of an inner layer is read twice a sample, by all
// threads, and written once a block. Skipped samples do not count.
//
// The products x_i·x_t and δ_i·δ_t are computed before they are scaled by the rate. Where one exceeds the
// type's range (elements around 1e19 in float32) it is infinite, and so is the loss, although the
// sample-by-sample loop might have continued; elements that are 0 are not affected.
#pragma once

#include "bpnet/kernels/cpu/base/scalar_math.h"
#include "bpnet/kernels/cpu/chain/online_optimizer.h"
#include "bpnet/kernels/cpu/chain/online_sample.h"
#include "bpnet/kernels/cpu/linear.h"

namespace {

struct OnlineBlock {
  const OnlineLayer* layer;         // null: the layer is updated immediately
  bool first;                       // in the chain
  size_t length;                    // most samples in a block
  real* x;                          // (length, in) the block's inputs
  real* s;                          // (length, out) W₀x, of the first layer only
  real* gram;                       // (length, length) x_i·x_t of the first layer; of others the row of t
  real* delta;                      // (length, out)
  real *weight_share, *bias_share;  // (length,) ρ^{t−1−i}, 0 for skipped samples
  real weight_left, bias_left;      // ρᵗ
  bpnet::Context products;          // scratch of the products
};

// A smaller first layer stays in the first-level cache and is updated immediately; for an inner one blocks
// pay only at a larger size, since its sums with earlier samples are computed one by one.
constexpr size_t kBlockedFirst = 4096;
constexpr size_t kBlockedInner = 32768;
constexpr size_t kOnlineBlock = 32;

inline bool is_blocked(const OnlineLayer& layer, bool first) {
  return layer.weight && layer.in * layer.out >= (first ? kBlockedFirst : kBlockedInner);
}

inline size_t block_length(const Online& a) {
  bool any = false;
  for (size_t l = 0; l < a.depth; ++l) any |= is_blocked(a.layers[l], l == 0);
  return any && is_plain(a.update) && a.count > 1 ? smaller(a.block ? a.block : kOnlineBlock, a.count) : 1;
}

inline size_t block_products(const OnlineLayer& layer, bool first, size_t length) {  // bytes
  const size_t update = gemm_workspace({layer.out, layer.in, length});
  if (!first) return update;
  const size_t forward = gemm_workspace({layer.out, length, layer.in});
  return larger(update, larger(forward, gemm_workspace({length, length, layer.in})));
}

inline OnlineBlock make_block(Scratch& scratch, const OnlineLayer& layer, bool first, size_t length,
                              bpnet::Context products) {
  OnlineBlock block = {};
  block.layer = &layer;
  block.first = first;
  block.length = length;
  const auto take = [&](size_t count) { return scratch.take<real>(count); };
  block.x = take(length * layer.in);
  if (first) block.s = take(length * layer.out);
  block.gram = take(first ? length * length : length);
  block.delta = take(length * layer.out);
  block.weight_share = take(length);
  block.bias_share = take(length);
  block.products = products;
  return block;
}

// The first layer reads the inputs of the next `count` samples.
__attribute__((noinline)) void begin_block(OnlineBlock& block, const real* x, const uint64_t* order,
                                           size_t count) {
  block.weight_left = block.bias_left = 1;
  if (!block.first) return;
  const size_t in = block.layer->in, out = block.layer->out;
  for (size_t t = 0; t < count; ++t) {
    __builtin_memcpy(block.x + t * in, x + size_t(order[t]) * in, in * sizeof(real));
  }
  const Operand transposed = {block.x, 1, in};
  gemm(block.products, {out, count, in}, {block.layer->weight, in, 1}, transposed,
       {block.s, out, true, false}, kNoEpilogue);
  gemm(block.products, {count, count, in}, {block.x, in, 1}, transposed,
       {block.gram, block.length, false, false}, kNoEpilogue);
}

// to += share · from. With an infinite share, elements where `from` is 0 are not changed: 0 · ∞ is NaN.
__attribute__((noinline)) void add_infinite(size_t count, real share, const real* from, real* to) {
  for (size_t i = 0; i < count; ++i) {
    if (from[i] != 0) to[i] += share * from[i];
  }
}
inline void add_share(size_t count, real share, const real* from, real* to) {
  if (is_finite(share)) {
    add_scaled(count, share, from, to);
  } else {
    add_infinite(count, share, from, to);
  }
}

// s (out,) of sample t of the block, whose input is x (in,)
__attribute__((noinline)) void block_forward(const OnlineBlock& block, size_t t, const real* x, real* s) {
  const OnlineLayer& layer = *block.layer;
  const real* product = block.s + t * layer.out;
  const real* gram = block.gram + t * block.length;
  if (!block.first) {
    __builtin_memcpy(block.x + t * layer.in, x, layer.in * sizeof(real));
    bpnet::Context products = block.products;
    linear_forward(products, {1, layer.in, layer.out}, x, layer.weight, nullptr, kNoEpilogue.activation, s);
    for (size_t i = 0; i < t; ++i) block.gram[i] = dot(layer.in, block.x + i * layer.in, x);
    product = s;
    gram = block.gram;
  }
  set_scaled(layer.out, block.weight_left, product, s);
  if (layer.bias) add_scaled(layer.out, block.bias_left, layer.bias, s);
  const real weight_rate = real(layer.weight_rate), bias_rate = layer.bias ? real(layer.bias_rate) : real(0);
  for (size_t i = 0; i < t; ++i) {
    // A share of 0 stays 0 beside a product that overflowed.
    const real weight_share = weight_rate * block.weight_share[i];
    const real share = (weight_share == 0 ? 0 : weight_share * gram[i]) + bias_rate * block.bias_share[i];
    if (share == 0) continue;
    add_share(layer.out, -share, block.delta + i * layer.out, s);
  }
}

// grad_x (in,) = Wᵀδ of sample t, with the weights before its update
__attribute__((noinline)) void block_backward_input(const OnlineBlock& block, size_t t, const real* delta,
                                                    real* grad_x) {
  const OnlineLayer& layer = *block.layer;
  bpnet::Context products = block.products;
  linear_backward_input(products, {1, layer.in, layer.out}, delta, layer.weight, grad_x);
  if (block.weight_left != 1) set_scaled(layer.in, block.weight_left, grad_x, grad_x);
  for (size_t i = 0; i < t; ++i) {
    const real share = real(layer.weight_rate) * block.weight_share[i];
    if (share == 0) continue;
    add_share(layer.in, -share * dot(layer.out, block.delta + i * layer.out, delta), block.x + i * layer.in,
              grad_x);
  }
}

// Adds sample t, with this δ (out,), to the update.
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

// Sample t has no weight; its input is cleared too, since it may be infinite.
inline void pass_over(OnlineBlock& block, size_t t) {
  for (size_t j = 0; j < block.layer->out; ++j) block.delta[t * block.layer->out + j] = 0;
  for (size_t i = 0; i < block.layer->in; ++i) block.x[t * block.layer->in + i] = 0;
  block.weight_share[t] = block.bias_share[t] = 0;
}

// The update by the block's first `count` samples.
__attribute__((noinline)) void end_block(OnlineBlock& block, size_t count) {
  if (count == 0) return;
  const OnlineLayer& layer = *block.layer;
  if (layer.bias) set_scaled(layer.out, block.bias_left, layer.bias, layer.bias);
  for (size_t i = 0; i < count; ++i) {
    real* delta = block.delta + i * layer.out;
    const real bias_step = real(layer.bias_rate) * block.bias_share[i];
    const real weight_step = real(-layer.weight_rate) * block.weight_share[i];
    if (layer.bias) add_scaled(layer.out, -bias_step, delta, layer.bias);
    set_scaled(layer.out, weight_step, delta, delta);
  }
  if (block.weight_left != 1) set_scaled(layer.in * layer.out, block.weight_left, layer.weight, layer.weight);
  if (layer.weight_rate == 0) return;
  gemm(block.products, {layer.out, layer.in, count}, {block.delta, 1, layer.out}, {block.x, layer.in, 1},
       {layer.weight, layer.in, false, true}, kNoEpilogue);
}

}  // namespace
