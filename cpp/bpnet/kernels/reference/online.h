// The lecture's loop, one sample at a time, over a chain of linear layers and activations.
#pragma once

#include <cmath>

#include "bpnet/kernels/reference/linear.h"
#include "bpnet/kernels/reference/loss.h"
#include "bpnet/kernels/reference/optimizer.h"
#include "bpnet/kernels/reference/sums.h"

namespace bpnet::reference {

// The slices of the workspace: layer l has s (out), x (out) and delta (out).
template <class T>
struct OnlineSlices {
  T* s;      // before the activation
  T* x;      // after it
  T* delta;  // d loss / d s, before that d loss / d x
};

template <class T>
size_t online_workspace(const OnlineArgs<T>& a) {
  size_t values = 0;
  for (size_t l = 0; l < a.depth; ++l) values += 3 * a.layers[l].out;
  return values * sizeof(T) + a.depth * sizeof(OnlineSlices<T>);
}

// Updates one number by its gradient, at step `step`, counted from 1.
template <class T>
void update_one(Context& context, UpdateArgs rule, uint64_t step, double rate, double decay, T gradient,
                T* data, T* const* slots, size_t at) {
  T* const slot0 = slots[0] ? slots[0] + at : nullptr;
  T* const slot1 = slots[1] ? slots[1] + at : nullptr;
  switch (rule.kind) {
    case UpdateKind::kSgd:
      rule.sgd.lr = rate;
      rule.sgd.weight_decay = decay;
      return sgd(context, rule.sgd, 1, data + at, &gradient, slot0);
    case UpdateKind::kAdam:
      rule.adam.lr = rate;
      rule.adam.weight_decay = decay;
      rule.adam.correction1 = 1 - std::pow(rule.adam.beta1, double(step));
      rule.adam.correction2 = 1 - std::pow(rule.adam.beta2, double(step));
      return adam(context, rule.adam, 1, data + at, &gradient, slot0, slot1);
    case UpdateKind::kRmsprop:
      rule.rmsprop.lr = rate;
      rule.rmsprop.weight_decay = decay;
      return rmsprop(context, rule.rmsprop, 1, data + at, &gradient, slot0, slot1);
  }
}

template <class T>
void update(Context& context, const UpdateArgs& rule, uint64_t step, const OnlineLayer<T>& layer, const T* x,
            const T* delta) {
  for (size_t j = 0; j < layer.out; ++j) {
    for (size_t i = 0; i < layer.in && !layer.weight_frozen; ++i) {
      update_one(context, rule, step, layer.weight_rate, layer.weight_decay, T(x[i] * delta[j]), layer.weight,
                 layer.weight_slots, j * layer.in + i);
    }
    if (layer.bias && !layer.bias_frozen) {
      update_one(context, rule, step, layer.bias_rate, layer.bias_decay, delta[j], layer.bias,
                 layer.bias_slots, j);
    }
  }
}

template <class T>
void online_sgd(Context& context, const OnlineArgs<T>& a) {
  if (a.sums->stopped) return;
  auto* slices = reinterpret_cast<OnlineSlices<T>*>(context.scratch);
  T* memory = reinterpret_cast<T*>(slices + a.depth);
  for (size_t l = 0; l < a.depth; ++l) {
    const size_t out = a.layers[l].out;
    slices[l] = {memory, memory + out, memory + 2 * out};
    memory += 3 * out;
  }
  const size_t in = a.layers[0].in, out = a.layers[a.depth - 1].out;
  const T one = 1;
  for (size_t step = 0; step < a.count; ++step) {
    const size_t sample = size_t(a.order[step]);
    const T* first = a.x + sample * in;
    const auto input = [&](size_t l) { return l ? slices[l - 1].x : first; };

    for (size_t l = 0; l < a.depth; ++l) {
      const OnlineLayer<T>& layer = a.layers[l];
      const LinearSizes sizes = {1, layer.in, layer.out};
      const Activation identity = {ActivationKind::kIdentity, 0};
      if (layer.weight) {
        linear_forward(context, sizes, input(l), layer.weight, layer.bias, identity, slices[l].s);
      } else {
        for (size_t i = 0; i < layer.in; ++i) slices[l].s[i] = input(l)[i];
      }
      activation_forward(context, layer.activation, layer.out, slices[l].s, slices[l].x);
    }

    const OnlineSlices<T>& last = slices[a.depth - 1];
    double value;
    const LossArgs<T> loss_args = {a.loss,
                                   a.loss_parameter,
                                   1,
                                   out,
                                   last.x,
                                   a.target ? a.target + sample * out : nullptr,
                                   a.label ? a.label + sample : nullptr,
                                   a.class_weight,
                                   &one,
                                   last.delta,
                                   &value};
    const double class_scale = a.class_weight && a.label ? double(a.class_weight[a.label[sample]]) : 1.0;
    const double weight = (a.sample_weight ? double(a.sample_weight[sample]) : 1.0) * class_scale;
    loss(context, loss_args);
    const bool correct = is_correct(a.loss, out, last.x, loss_args.label, loss_args.target);
    if (weight == 0) {
      a.sums->correct += correct;
      ++a.sums->steps;
      continue;
    }
    value /= class_scale;  // in a batch of one the weight divided by the sum of weights is 1
    for (size_t j = 0; j < out; ++j) last.delta[j] = T(double(last.delta[j]) / class_scale);
    if (!std::isfinite(value)) {
      a.sums->stopped = 1;
      a.sums->stopping_loss = value;
      return;
    }
    a.sums->loss += weight * value;
    a.sums->weight += weight;
    a.sums->correct += correct;
    ++a.sums->steps;

    for (size_t l = a.depth; l-- > 0;) {
      const OnlineLayer<T>& layer = a.layers[l];
      T* delta = slices[l].delta;
      activation_backward(context, layer.activation, layer.out, slices[l].s, slices[l].x, delta, delta);
      if (layer.weight) {
        const LinearSizes sizes = {1, layer.in, layer.out};
        if (l) linear_backward_input(context, sizes, delta, layer.weight, slices[l - 1].delta);
        update(context, a.update, a.step + step + 1, layer, input(l), delta);
      } else if (l) {
        for (size_t i = 0; i < layer.in; ++i) slices[l - 1].delta[i] = delta[i];
      }
    }
  }
}

}  // namespace bpnet::reference
