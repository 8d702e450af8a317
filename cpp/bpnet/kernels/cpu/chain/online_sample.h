// The weight and loss of one sample of an online run.
#pragma once

#include "bpnet/kernels/cpu/loss.h"
#include "bpnet/kernels/cpu/sums.h"

namespace {

using Online = bpnet::OnlineArgs<real>;
using OnlineLayer = bpnet::OnlineLayer<real>;

struct OnlineSample {
  const real* x;         // (in,)
  const real* target;    // (out,) or null
  const int64_t* label;  // or null
  double class_scale;    // the label's class weight, or 1
  double weight;         // sample weight times class_scale; 0: skipped
};

inline OnlineSample online_sample(const Online& a, size_t step) {
  const size_t index = size_t(a.order[step]), out = a.layers[a.depth - 1].out;
  OnlineSample sample = {a.x + index * a.layers[0].in, a.target ? a.target + index * out : nullptr,
                         a.label ? a.label + index : nullptr, 1, 1};
  if (sample.label && a.class_weight) sample.class_scale = double(a.class_weight[*sample.label]);
  sample.weight = (a.sample_weight ? double(a.sample_weight[index]) : 1.0) * sample.class_scale;
  return sample;
}

inline bool sample_is_correct(const Online& a, const OnlineSample& sample, const real* x) {
  return is_correct(a.loss, a.layers[a.depth - 1].out, x, sample.label, sample.target);
}

// The loss of output x (out,); its gradient is written to grad (out,) unless that is null. In a batch of one
// the weight divided by the sum of weights is 1.
inline double online_loss(const Online& a, const OnlineSample& sample, const real* x, real* grad) {
  const real scale = real(1 / sample.class_scale);
  const Loss args = {a.loss,
                     a.loss_parameter,
                     1,
                     a.layers[a.depth - 1].out,
                     x,
                     sample.target,
                     sample.label,
                     a.class_weight,
                     &scale,
                     grad,
                     nullptr};
  return loss_row(args, 0, scale);
}

// The result of a call of the loop.
struct OnlineResult {
  size_t steps, correct;
  double loss, weight;   // Σ weight · loss, Σ weight
  double stopping_loss;  // the loss that was not finite, where steps is below the count
};

// Adds the loss; false when it is not finite, which ends the run.
inline bool count_loss(OnlineResult& result, const OnlineSample& sample, double value) {
  if (!is_finite(real(value))) {
    result.stopping_loss = value;
    return false;
  }
  result.loss += sample.weight * value;
  result.weight += sample.weight;
  return true;
}

inline void add_to_sums(const Online& a, const OnlineResult& result) {
  a.sums->loss += result.loss;
  a.sums->weight += result.weight;
  a.sums->correct += result.correct;
  a.sums->steps += result.steps;
  if (result.steps == a.count) return;
  a.sums->stopped = 1;
  a.sums->stopping_loss = result.stopping_loss;
}

}  // namespace
