#pragma once

#include "bpnet/kernels/cpu/base/chunks.h"
#include "bpnet/kernels/cpu/base/scalar_math.h"
#include "bpnet/kernels/kernels.h"

namespace {

// Serially. Factors are copied out of the arguments: otherwise the compiler assumes that a store might change
// them, and does not vectorise.
__attribute__((noinline)) void sgd_of(const bpnet::SgdArgs& a, size_t count, real* w, const real* grad,
                                      real* velocity) {
  const real rate = real(a.lr), momentum = real(a.momentum), decay = real(a.weight_decay);
  if (!velocity) {
    for (size_t i = 0; i < count; ++i) w[i] -= rate * (grad[i] + decay * w[i]);
  } else if (a.lr_in_velocity) {
    for (size_t i = 0; i < count; ++i) {
      velocity[i] = momentum * velocity[i] - rate * (grad[i] + decay * w[i]);
      w[i] += velocity[i];
    }
  } else if (a.nesterov) {
    for (size_t i = 0; i < count; ++i) {
      const real g = grad[i] + decay * w[i];
      const real v = velocity[i] = momentum * velocity[i] + g;
      w[i] -= rate * (g + momentum * v);
    }
  } else {
    for (size_t i = 0; i < count; ++i) {
      const real v = velocity[i] = momentum * velocity[i] + (grad[i] + decay * w[i]);
      w[i] -= rate * v;
    }
  }
}

__attribute__((noinline)) void adam_of(const bpnet::AdamArgs& a, size_t count, real* w, const real* grad,
                                       real* m, real* v) {
  const real beta1 = real(a.beta1), beta2 = real(a.beta2), epsilon = real(a.epsilon);
  const real rest1 = real(1 - a.beta1), rest2 = real(1 - a.beta2);
  const real rate = real(a.lr / a.correction1);
  const real root = real(1 / __builtin_sqrt(a.correction2));
  const real shrink = a.decoupled ? real(1 - a.lr * a.weight_decay) : real(1);
  const real decay = a.decoupled ? real(0) : real(a.weight_decay);
  for (size_t i = 0; i < count; ++i) {
    const real g = grad[i] + decay * w[i];
    m[i] = beta1 * m[i] + rest1 * g;
    v[i] = beta2 * v[i] + rest2 * g * g;
    w[i] = shrink * w[i] - rate * m[i] / (sqrt_of(v[i]) * root + epsilon);
  }
}

__attribute__((noinline)) void rmsprop_of(const bpnet::RmspropArgs& a, size_t count, real* w,
                                          const real* grad, real* v, real* b) {
  const real alpha = real(a.alpha), rest = real(1 - a.alpha), epsilon = real(a.epsilon);
  const real rate = real(a.lr), decay = real(a.weight_decay), momentum = real(a.momentum);
  if (b) {
    for (size_t i = 0; i < count; ++i) {
      const real g = grad[i] + decay * w[i];
      v[i] = alpha * v[i] + rest * g * g;
      b[i] = momentum * b[i] + g / (sqrt_of(v[i]) + epsilon);
      w[i] -= rate * b[i];
    }
  } else {
    for (size_t i = 0; i < count; ++i) {
      const real g = grad[i] + decay * w[i];
      v[i] = alpha * v[i] + rest * g * g;
      w[i] -= rate * g / (sqrt_of(v[i]) + epsilon);
    }
  }
}

// Elements first … first+count−1 of a parameter, of which `grad` (count,) is the gradient.
void update_by_rule(const bpnet::UpdateArgs& rule, size_t first, size_t count, const real* grad, real* data,
                    real* const* slots) {
  real* const slot0 = slots[0] ? slots[0] + first : nullptr;
  real* const slot1 = slots[1] ? slots[1] + first : nullptr;
  switch (rule.kind) {
    case bpnet::UpdateKind::kSgd: sgd_of(rule.sgd, count, data + first, grad, slot0); break;
    case bpnet::UpdateKind::kAdam: adam_of(rule.adam, count, data + first, grad, slot0, slot1); break;
    case bpnet::UpdateKind::kRmsprop:
      rmsprop_of(rule.rmsprop, count, data + first, grad, slot0, slot1);
      break;
  }
}

// The same rule with another rate and decay.
inline bpnet::UpdateArgs rule_of(bpnet::UpdateArgs rule, double rate, double decay) {
  rule.sgd.lr = rule.adam.lr = rule.rmsprop.lr = rate;
  rule.sgd.weight_decay = rule.adam.weight_decay = rule.rmsprop.weight_decay = decay;
  return rule;
}

void update(bpnet::Context&, const bpnet::UpdateArgs& args, const bpnet::UpdateStep* now,
            const uint64_t* updates, size_t count, real* w, const real* grad, real* const* slots) {
  if (updates && !*updates) return;
  bpnet::UpdateArgs rule = args;
  const double rate = args.scheduled ? args.rate * now->lr : args.rate;
  rule.sgd.lr = rule.adam.lr = rule.rmsprop.lr = rate;
  rule.adam.correction1 = now->correction1;
  rule.adam.correction2 = now->correction2;
  run_chunks(count, kChunk, [&](size_t begin, size_t end, size_t) {
    update_by_rule(rule, begin, end - begin, grad + begin, w, slots);
  });
}

}  // namespace
