// The lecture's loop, one sample at a time. online_narrow.h trains narrow chains and online_blocked.h large
// layers, both with plain SGD; online_optimizer.h has the other optimizers. Every other layer takes two
// passes over its weight matrix: forward, a dot product per unit; backward, δ is propagated and the row
// updated while it is in cache.
#pragma once

#include "bpnet/kernels/cpu/activation.h"
#include "bpnet/kernels/cpu/chain/online_blocked.h"
#include "bpnet/kernels/cpu/chain/online_narrow.h"
#include "bpnet/kernels/cpu/chain/online_optimizer.h"
#include "bpnet/kernels/cpu/chain/online_sample.h"
#include "bpnet/kernels/cpu/linear.h"

namespace {

// The arrays of one layer, each of its width.
struct OnlineSlices {
  real* s;      // before the activation
  real* x;      // after it
  real* delta;  // d loss / d x, then d loss / d s
};

// A chain's memory, by layer.
struct OnlineChain {
  OnlineSlices* slices;
  OnlineBlock* blocks;
  size_t length;  // of blocks; 1: none
};

__attribute__((noinline)) OnlineChain lay_out(Scratch& scratch, const Online& a) {
  const OnlineChain chain = {scratch.take<OnlineSlices>(a.depth), scratch.take<OnlineBlock>(a.depth),
                             block_length(a)};
  size_t products = 0;
  for (size_t l = 0; l < a.depth; ++l) {
    if (is_blocked(a.layers[l], l == 0))
      products = larger(products, block_products(a.layers[l], l == 0, chain.length));
  }
  const bpnet::Context product_scratch = {scratch.take<unsigned char>(products), products};
  for (size_t l = 0; l < a.depth; ++l) {
    const OnlineLayer& layer = a.layers[l];
    const bool blocked = chain.length > 1 && is_blocked(layer, l == 0);
    const OnlineSlices slices = {scratch.take<real>(layer.out), scratch.take<real>(layer.out),
                                 scratch.take<real>(layer.out)};
    const OnlineBlock block =
        blocked ? make_block(scratch, layer, l == 0, chain.length, product_scratch) : OnlineBlock{};
    if (!scratch.memory) continue;
    chain.slices[l] = slices;
    chain.blocks[l] = block;
  }
  return chain;
}

size_t online_workspace(const Online& a) {
  if (const size_t vectors = small_vectors(a)) return small_workspace(a, vectors);
  Scratch scratch = {nullptr};
  lay_out(scratch, a);
  return scratch.bytes;
}

__attribute__((noinline)) void online_forward(const OnlineLayer& layer, const real* x,
                                              const OnlineSlices& to) {
  if (layer.weight && is_shared(layer)) {
    bpnet::Context none = {nullptr, 0};
    linear_forward(none, {1, layer.in, layer.out}, x, layer.weight, layer.bias, kNoEpilogue.activation, to.s);
    activate(layer.activation, layer.out, to.s, to.x);
    return;
  }
  for (size_t j = 0; j < layer.out; ++j) {
    to.s[j] = layer.weight
                  ? dot(layer.in, layer.weight + j * layer.in, x) + (layer.bias ? layer.bias[j] : real(0))
                  : x[j];
  }
  activate(layer.activation, layer.out, to.s, to.x);
}

// grad_x (in,) = Wᵀδ with the weights before the update (unless null), then W ← ρW − η δ xᵀ.
__attribute__((noinline)) void online_backward(const OnlineLayer& layer, const real* x, const real* delta,
                                               real* grad_x) {
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

OnlineResult run_online(bpnet::Context& context, const Online& a) {
  switch (small_vectors(a)) {
    case 1: return small_sgd<1>(context, a);
    case kSmallVectors: return small_sgd<kSmallVectors>(context, a);
    default: break;
  }
  Scratch scratch = {context.scratch};
  const OnlineChain chain = lay_out(scratch, a);
  OnlineSlices* const slices = chain.slices;
  OnlineBlock* const blocks = chain.blocks;
  const OnlineSlices last = slices[a.depth - 1];
  OnlineResult result = {};
  const bool plain = is_plain(a.update);
  const auto end_blocks = [&](size_t count) {
    for (size_t l = 0; l < a.depth; ++l) {
      if (blocks[l].layer) end_block(blocks[l], count);
    }
  };

  size_t begun = 0;  // the first step of the current block
  for (; result.steps < a.count; ++result.steps) {
    const size_t t = result.steps % chain.length;  // the sample's index in its block
    const OnlineSample sample = online_sample(a, result.steps);
    if (t == 0) {
      end_blocks(result.steps - begun);
      begun = result.steps;
      for (size_t l = 0; l < a.depth; ++l) {
        if (blocks[l].layer) {
          begin_block(blocks[l], a.x, a.order + begun, smaller(chain.length, a.count - begun));
        }
      }
    }
    for (size_t l = 0; l < a.depth; ++l) {
      const real* const x = l ? slices[l - 1].x : sample.x;
      if (blocks[l].layer) {
        block_forward(blocks[l], t, x, slices[l].s);
        activate(a.layers[l].activation, a.layers[l].out, slices[l].s, slices[l].x);
      } else {
        online_forward(a.layers[l], x, slices[l]);
      }
    }
    const bool correct = sample_is_correct(a, sample, last.x);
    if (sample.weight == 0) {
      result.correct += correct;
      for (size_t l = 0; l < a.depth; ++l) {
        if (blocks[l].layer) pass_over(blocks[l], t);
      }
      continue;
    }
    if (!count_loss(result, sample, online_loss(a, sample, last.x, last.delta))) break;
    result.correct += correct;

    const bpnet::UpdateArgs rule = rule_at(a.update, a.step + result.steps + 1);
    for (size_t l = a.depth; l-- > 0;) {
      const OnlineLayer& layer = a.layers[l];
      activate_backward(layer.activation, layer.out, slices[l].s, slices[l].x, slices[l].delta,
                        slices[l].delta);
      real* grad_x = l ? slices[l - 1].delta : nullptr;
      if (blocks[l].layer) {
        if (grad_x) block_backward_input(blocks[l], t, slices[l].delta, grad_x);
        block_backward(blocks[l], t, slices[l].delta);
      } else if (layer.weight && !plain) {
        online_backward_by_rule(layer, rule, l ? slices[l - 1].x : sample.x, slices[l].delta, grad_x);
      } else if (layer.weight) {
        online_backward(layer, l ? slices[l - 1].x : sample.x, slices[l].delta, grad_x);
      } else if (grad_x) {
        for (size_t i = 0; i < layer.in; ++i) grad_x[i] = slices[l].delta[i];
      }
    }
  }
  // The update by the last block, also where a loss that is not finite ended it.
  end_blocks(result.steps - begun);
  return result;
}

void online_sgd(bpnet::Context& context, const Online& a) {
  if (!a.sums->stopped) add_to_sums(a, run_online(context, a));
}

}  // namespace
