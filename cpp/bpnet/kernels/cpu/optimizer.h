#pragma once

#include "bpnet/kernels/cpu/base/chunks.h"
#include "bpnet/kernels/cpu/base/scalar_math.h"
#include "bpnet/kernels/kernels.h"

namespace {

// Serially. Factors are copied out of the arguments, which a store might change as far as the compiler knows:
// it would not take several elements at a time.
__attribute__((noinline)) void sgd_of(const bpnet::SgdArgs& a, size_t count, real* w, const real* grad,
                                      real* velocity) {
  const real rate = real(a.learning_rate), momentum = real(a.momentum), decay = real(a.weight_decay);
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
  const real rate = real(a.learning_rate / a.correction1);
  const real root = real(1 / __builtin_sqrt(a.correction2));
  const real shrink = a.decoupled ? real(1 - a.learning_rate * a.weight_decay) : real(1);
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
  const real rate = real(a.learning_rate), decay = real(a.weight_decay), momentum = real(a.momentum);
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

void sgd(bpnet::Context&, bpnet::SgdArgs a, size_t count, real* w, const real* grad, real* velocity) {
  run_chunks(count, kChunk, [&](size_t begin, size_t end, size_t) {
    sgd_of(a, end - begin, w + begin, grad + begin, velocity ? velocity + begin : nullptr);
  });
}

void adam(bpnet::Context&, bpnet::AdamArgs a, size_t count, real* w, const real* grad, real* m, real* v) {
  run_chunks(count, kChunk, [&](size_t begin, size_t end, size_t) {
    adam_of(a, end - begin, w + begin, grad + begin, m + begin, v + begin);
  });
}

void rmsprop(bpnet::Context&, bpnet::RmspropArgs a, size_t count, real* w, const real* grad, real* v,
             real* b) {
  run_chunks(count, kChunk, [&](size_t begin, size_t end, size_t) {
    rmsprop_of(a, end - begin, w + begin, grad + begin, v + begin, b ? b + begin : nullptr);
  });
}

}  // namespace
