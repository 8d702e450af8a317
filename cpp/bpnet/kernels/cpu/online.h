// The lecture's loop, one sample at a time. Two sweeps over each weight matrix: a dot product per
// unit on the way forward; on the way back, δ is handed down and the row updated while it is in cache.
#pragma once

#include "bpnet/kernels/cpu/activation.h"
#include "bpnet/kernels/cpu/linear.h"
#include "bpnet/kernels/cpu/online_block.h"
#include "bpnet/kernels/cpu/online_loss.h"
#include "bpnet/kernels/cpu/online_small.h"

namespace {

// The slices of one layer, each of its width.
struct OnlineSlices {
  real* s;      // before the activation
  real* x;      // after it
  real* delta;  // d loss / d x, then d loss / d s
};

// Bytes before the block's memory, and before the scratch of its products.
inline size_t online_slices(const Online& a) {
  size_t bytes = ceil_divide(a.depth * sizeof(OnlineSlices), 64) * 64;
  for (size_t l = 0; l < a.depth; ++l) bytes += 3 * a.layers[l].out * sizeof(real);
  return ceil_divide(bytes, 64) * 64;
}
inline size_t online_block_end(const Online& a) {
  const size_t length = block_length(a.layers[0], a.block, a.count);
  return online_slices(a) + ceil_divide(block_elements(a.layers[0], length) * sizeof(real), 64) * 64;
}

size_t online_workspace(const Online& a) {
  if (const size_t vectors = small_vectors(a)) return small_workspace(a, vectors);
  const size_t length = block_length(a.layers[0], a.block, a.count);
  if (length < 2) return online_slices(a);
  return online_block_end(a) + block_products(a.layers[0], length);
}

inline void online_forward(const OnlineLayer& layer, const real* x, const OnlineSlices& to) {
  for (size_t j = 0; j < layer.out; ++j) {
    to.s[j] = layer.weight
                  ? dot(layer.in, layer.weight + j * layer.in, x) + (layer.bias ? layer.bias[j] : real(0))
                  : x[j];
  }
  activate(layer.activation, layer.out, to.s, to.x);
}

// grad_x (in,) = Wᵀδ with the weights before the update (unless null), then W ← ρW − η δ xᵀ.
inline void online_backward(const OnlineLayer& layer, const real* x, const real* delta, real* grad_x) {
  const real keep = real(1 - layer.weight_rate * layer.weight_decay);
  if (grad_x) {
    for (size_t i = 0; i < layer.in; ++i) grad_x[i] = 0;
  }
  for (size_t j = 0; j < layer.out; ++j) {
    real* w = layer.weight + j * layer.in;
    const real d = delta[j], step = real(-layer.weight_rate) * d;
    if (grad_x) {
      for (size_t i = 0; i < layer.in; ++i) {
        grad_x[i] += d * w[i];
        w[i] = keep * w[i] + step * x[i];
      }
    } else {
      for (size_t i = 0; i < layer.in; ++i) w[i] = keep * w[i] + step * x[i];
    }
  }
  if (layer.bias) {
    const real bias_keep = real(1 - layer.bias_rate * layer.bias_decay);
    for (size_t j = 0; j < layer.out; ++j) {
      layer.bias[j] = bias_keep * layer.bias[j] - real(layer.bias_rate) * delta[j];
    }
  }
}

bpnet::OnlineResult online_sgd(bpnet::Context& context, const Online& a) {
  switch (small_vectors(a)) {
    case 1: return small_sgd<1>(context, a);
    case kSmallVectors: return small_sgd<kSmallVectors>(context, a);
    default: break;
  }
  OnlineSlices* slices = reinterpret_cast<OnlineSlices*>(context.scratch);
  real* memory =
      reinterpret_cast<real*>(context.scratch + ceil_divide(a.depth * sizeof(OnlineSlices), 64) * 64);
  for (size_t l = 0; l < a.depth; ++l) {
    const size_t out = a.layers[l].out;
    slices[l] = {memory, memory + out, memory + 2 * out};
    memory += 3 * out;
  }
  const OnlineSlices last = slices[a.depth - 1];
  bpnet::OnlineResult result = {0, 0, 0, 0};

  const size_t length = block_length(a.layers[0], a.block, a.count);
  OnlineBlock block = {};
  if (length > 1) {
    unsigned char* products = context.scratch + online_block_end(a);
    block = make_block(a.layers[0], length, reinterpret_cast<real*>(context.scratch + online_slices(a)),
                       {products, context.scratch_size - online_block_end(a)});
  }
  size_t begun = 0;  // the first step of the current block

  for (; result.steps < a.count; ++result.steps) {
    const size_t t = result.steps % length;  // the sample's place in its block
    const OnlineSample sample = online_sample(a, result.steps);
    if (block.layer && t == 0) {
      if (result.steps) end_block(block, length);
      begin_block(block, a.x, a.order + result.steps, smaller(length, a.count - result.steps));
      begun = result.steps;
    }
    for (size_t l = 0; l < a.depth; ++l) {
      if (l == 0 && block.layer) {
        block_forward(block, t, slices[0].s);
        activate(block.layer->activation, block.layer->out, slices[0].s, slices[0].x);
      } else {
        online_forward(a.layers[l], l ? slices[l - 1].x : sample.x, slices[l]);
      }
    }
    result.correct += is_correct(a, sample, last.x);
    if (sample.weight == 0) {
      if (block.layer) pass_over(block, t);
      continue;
    }
    if (!count_loss(result, sample, online_loss(a, sample, last.x, last.delta))) break;

    for (size_t l = a.depth; l-- > 0;) {
      const OnlineLayer& layer = a.layers[l];
      activate_backward(layer.activation, layer.out, slices[l].s, slices[l].x, slices[l].delta,
                        slices[l].delta);
      real* grad_x = l ? slices[l - 1].delta : nullptr;
      if (l == 0 && block.layer) {
        block_backward(block, t, slices[0].delta);
      } else if (layer.weight) {
        online_backward(layer, l ? slices[l - 1].x : sample.x, slices[l].delta, grad_x);
      } else if (grad_x) {
        for (size_t i = 0; i < layer.in; ++i) grad_x[i] = slices[l].delta[i];
      }
    }
  }
  // What the last block has learnt, also when a loss ended it.
  if (block.layer && a.count) end_block(block, result.steps - begun);
  return result;
}

}  // namespace
