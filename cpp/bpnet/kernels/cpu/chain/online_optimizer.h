// Online layers with an optimizer other than plain SGD. The gradient of a row of weights is δ_j x: it is
// computed in pieces that stay in the nearest cache, and never stored as a whole.
#pragma once

#include "bpnet/kernels/cpu/chain/online_sample.h"
#include "bpnet/kernels/cpu/linear.h"
#include "bpnet/kernels/cpu/optimizer.h"

namespace {

inline bool is_plain(const bpnet::UpdateArgs& rule) {
  return rule.kind == bpnet::UpdateKind::kSgd && rule.sgd.momentum == 0;
}

// Layers whose weights are divided among all threads.
inline bool is_shared(const OnlineLayer& layer) { return layer.out > thin_rows(layer.in); }

// The update rule at step `step`, counted from 1.
inline bpnet::UpdateArgs rule_at(bpnet::UpdateArgs rule, uint64_t step) {
  if (rule.kind == bpnet::UpdateKind::kAdam) {
    rule.adam.correction1 = 1 - __builtin_pow(rule.adam.beta1, double(step));
    rule.adam.correction2 = 1 - __builtin_pow(rule.adam.beta2, double(step));
  }
  return rule;
}

// Of row j of the weights.
void update_row(const OnlineLayer& layer, const bpnet::UpdateArgs& rule, size_t j, const real* x,
                real delta) {
  constexpr size_t kPiece = 1024;
  alignas(64) real gradient[kPiece];
  for (size_t i = 0; i < layer.in; i += kPiece) {
    const size_t count = smaller(kPiece, layer.in - i);
    set_scaled(count, delta, x + i, gradient);
    update_by_rule(rule, j * layer.in + i, count, gradient, layer.weight, layer.weight_slots);
  }
}

// grad_x (in,) = Wᵀδ with the weights before the update (unless null), then the update.
__attribute__((noinline)) void online_backward_by_rule(const OnlineLayer& layer,
                                                       const bpnet::UpdateArgs& step_rule, const real* x,
                                                       const real* delta, real* grad_x) {
  const bpnet::UpdateArgs rule = rule_of(step_rule, layer.weight_rate, layer.weight_decay);
  if (grad_x && is_shared(layer)) {
    bpnet::Context none = {nullptr, 0};
    linear_backward_input(none, {1, layer.in, layer.out}, delta, layer.weight, grad_x);
    grad_x = nullptr;
  }
  if (grad_x) fill_zero(layer.in, grad_x);
  run_chunks(layer.out, thin_rows(layer.in), [&](size_t begin, size_t end, size_t) {
    for (size_t j = begin; j < end; ++j) {
      if (grad_x) add_scaled(layer.in, delta[j], layer.weight + j * layer.in, grad_x);
      if (!layer.weight_frozen) update_row(layer, rule, j, x, delta[j]);
    }
  });
  if (layer.bias && !layer.bias_frozen) {
    update_by_rule(rule_of(step_rule, layer.bias_rate, layer.bias_decay), 0, layer.out, delta, layer.bias,
                   layer.bias_slots);
  }
}

}  // namespace
