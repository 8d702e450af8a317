// The update rules of an online run: of one number by its gradient, by the formulas of Kernels::update, with
// the constants of one parameter at one step.
#pragma once

#include <cmath>

#include "bpnet/kernels/kernels.h"

namespace bpnet::cuda {

// The arguments of the constants: a parameter's rate and decay, and the step, counted from 1.
struct OnlineStep {
  double rate, decay;
  uint64_t step;
};

template <class T>
struct PlainSgd {
  static constexpr unsigned kSlots = 0;
  static constexpr bool kCountsSteps = false;  // whether the constants differ from step to step
  T keep, rate;

  __device__ PlainSgd(const UpdateArgs&, const OnlineStep& now)
      : keep(T(1 - now.rate * now.decay)), rate(T(now.rate)) {}

  __device__ void apply(T gradient, T& w, T&, T&) const { w = keep * w - rate * gradient; }
};

template <class T>
struct MomentumSgd {
  static constexpr unsigned kSlots = 1;
  static constexpr bool kCountsSteps = false;
  T rate, decay, momentum;
  bool nesterov, rate_in_velocity;

  __device__ MomentumSgd(const UpdateArgs& rule, const OnlineStep& now)
      : rate(T(now.rate)),
        decay(T(now.decay)),
        momentum(T(rule.sgd.momentum)),
        nesterov(rule.sgd.nesterov),
        rate_in_velocity(rule.sgd.lr_in_velocity) {}

  __device__ void apply(T gradient, T& w, T& velocity, T&) const {
    const T g = gradient + decay * w;
    if (rate_in_velocity) {
      velocity = momentum * velocity - rate * g;
      w += velocity;
    } else {
      velocity = momentum * velocity + g;
      w -= rate * (nesterov ? g + momentum * velocity : velocity);
    }
  }
};

template <class T>
struct OnlineAdam {
  static constexpr unsigned kSlots = 2;
  static constexpr bool kCountsSteps = true;
  T beta1, beta2, rest1, rest2, epsilon;
  T rate, root;     // η / c₁, 1 / √c₂
  T shrink, decay;  // of the weights, of the gradient

  __device__ OnlineAdam(const UpdateArgs& rule, const OnlineStep& now) {
    const AdamArgs& a = rule.adam;
    const double steps = double(now.step);
    beta1 = T(a.beta1), beta2 = T(a.beta2), epsilon = T(a.epsilon);
    rest1 = T(1 - a.beta1), rest2 = T(1 - a.beta2);
    rate = T(now.rate / (1 - std::pow(a.beta1, steps)));
    root = T(1 / std::sqrt(1 - std::pow(a.beta2, steps)));
    shrink = a.decoupled ? T(1 - now.rate * now.decay) : T(1);
    decay = a.decoupled ? T(0) : T(now.decay);
  }

  __device__ void apply(T gradient, T& w, T& m, T& v) const {
    const T g = gradient + decay * w;
    m = beta1 * m + rest1 * g;
    v = beta2 * v + rest2 * g * g;
    w = shrink * w - rate * m / (std::sqrt(v) * root + epsilon);
  }
};

template <class T, bool kMomentum>
struct OnlineRmsprop {
  static constexpr unsigned kSlots = kMomentum ? 2 : 1;
  static constexpr bool kCountsSteps = false;
  T alpha, rest, epsilon, rate, decay, momentum;

  __device__ OnlineRmsprop(const UpdateArgs& rule, const OnlineStep& now) {
    const RmspropArgs& a = rule.rmsprop;
    alpha = T(a.alpha), rest = T(1 - a.alpha), epsilon = T(a.epsilon);
    rate = T(now.rate), decay = T(now.decay), momentum = T(a.momentum);
  }

  __device__ void apply(T gradient, T& w, T& v, T& b) const {
    const T g = gradient + decay * w;
    v = alpha * v + rest * g * g;
    T step = g / (std::sqrt(v) + epsilon);
    if constexpr (kMomentum) step = b = momentum * b + step;
    w -= rate * step;
  }
};

}  // namespace bpnet::cuda
