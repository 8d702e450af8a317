#pragma once

#include <cmath>

#include "bpnet/kernels/kernels.h"

namespace bpnet::reference {

template <class T>
void sgd(Context&, SgdArgs a, size_t count, T* w, const T* grad, T* velocity) {
  for (size_t i = 0; i < count; ++i) {
    double step = double(grad[i]) + a.weight_decay * double(w[i]);
    if (velocity && a.lr_in_velocity) {
      velocity[i] = T(a.momentum * double(velocity[i]) - a.lr * step);
      w[i] = T(double(w[i]) + double(velocity[i]));
      continue;
    }
    if (velocity) {
      velocity[i] = T(a.momentum * double(velocity[i]) + step);
      step = a.nesterov ? step + a.momentum * double(velocity[i]) : double(velocity[i]);
    }
    w[i] = T(double(w[i]) - a.lr * step);
  }
}

template <class T>
void adam(Context&, AdamArgs a, size_t count, T* w, const T* grad, T* m, T* v) {
  for (size_t i = 0; i < count; ++i) {
    double weight = double(w[i]), g = double(grad[i]);
    if (a.decoupled) weight -= a.lr * a.weight_decay * weight;
    else g += a.weight_decay * weight;
    m[i] = T(a.beta1 * double(m[i]) + (1 - a.beta1) * g);
    v[i] = T(a.beta2 * double(v[i]) + (1 - a.beta2) * g * g);
    const double denominator = std::sqrt(double(v[i])) / std::sqrt(a.correction2) + a.epsilon;
    w[i] = T(weight - a.lr / a.correction1 * double(m[i]) / denominator);
  }
}

template <class T>
void rmsprop(Context&, RmspropArgs a, size_t count, T* w, const T* grad, T* v, T* b) {
  for (size_t i = 0; i < count; ++i) {
    const double g = double(grad[i]) + a.weight_decay * double(w[i]);
    v[i] = T(a.alpha * double(v[i]) + (1 - a.alpha) * g * g);
    double step = g / (std::sqrt(double(v[i])) + a.epsilon);
    if (b) {
      b[i] = T(a.momentum * double(b[i]) + step);
      step = double(b[i]);
    }
    w[i] = T(double(w[i]) - a.lr * step);
  }
}

// The update rule with the step's learning rate and corrections.
inline UpdateArgs rule_at(UpdateArgs rule, const UpdateStep& now) {
  const double rate = rule.scheduled ? rule.rate * now.lr : rule.rate;
  rule.sgd.lr = rule.adam.lr = rule.rmsprop.lr = rate;
  rule.adam.correction1 = now.correction1;
  rule.adam.correction2 = now.correction2;
  return rule;
}

template <class T>
void update(Context& context, const UpdateArgs& args, const UpdateStep* now, const uint64_t* updates,
            size_t count, T* w, const T* grad, T* const* slots) {
  if (updates && !*updates) return;
  const UpdateArgs rule = rule_at(args, *now);
  switch (rule.kind) {
    case UpdateKind::kSgd: return sgd(context, rule.sgd, count, w, grad, slots[0]);
    case UpdateKind::kAdam: return adam(context, rule.adam, count, w, grad, slots[0], slots[1]);
    case UpdateKind::kRmsprop: return rmsprop(context, rule.rmsprop, count, w, grad, slots[0], slots[1]);
  }
}

}  // namespace bpnet::reference
