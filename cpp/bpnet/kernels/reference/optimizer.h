#pragma once

#include <cmath>

#include "bpnet/kernels/kernels.h"

namespace bpnet::reference {

template <class T>
void sgd(Context&, SgdArgs a, size_t count, T* w, const T* grad, T* velocity) {
  for (size_t i = 0; i < count; ++i) {
    double step = double(grad[i]) + a.weight_decay * double(w[i]);
    if (velocity && a.lr_in_velocity) {
      velocity[i] = T(a.momentum * double(velocity[i]) - a.learning_rate * step);
      w[i] = T(double(w[i]) + double(velocity[i]));
      continue;
    }
    if (velocity) {
      velocity[i] = T(a.momentum * double(velocity[i]) + step);
      step = a.nesterov ? step + a.momentum * double(velocity[i]) : double(velocity[i]);
    }
    w[i] = T(double(w[i]) - a.learning_rate * step);
  }
}

template <class T>
void adam(Context&, AdamArgs a, size_t count, T* w, const T* grad, T* m, T* v) {
  for (size_t i = 0; i < count; ++i) {
    double weight = double(w[i]), g = double(grad[i]);
    if (a.decoupled) weight -= a.learning_rate * a.weight_decay * weight;
    else g += a.weight_decay * weight;
    m[i] = T(a.beta1 * double(m[i]) + (1 - a.beta1) * g);
    v[i] = T(a.beta2 * double(v[i]) + (1 - a.beta2) * g * g);
    const double denominator = std::sqrt(double(v[i])) / std::sqrt(a.correction2) + a.epsilon;
    w[i] = T(weight - a.learning_rate / a.correction1 * double(m[i]) / denominator);
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
    w[i] = T(double(w[i]) - a.learning_rate * step);
  }
}

}  // namespace bpnet::reference
