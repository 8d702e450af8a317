// What one sample of an online run weighs and costs.
#pragma once

#include "bpnet/kernels/cpu/loss.h"

namespace {

using Online = bpnet::OnlineArgs<real>;
using OnlineLayer = bpnet::OnlineLayer<real>;

struct OnlineSample {
  const real* x;         // (in,)
  const real* target;    // (out,) or null
  const int64_t* label;  // or null
  double class_scale;    // the label's class weight, or 1
  double weight;         // sample weight times class_scale; 0: passed over
};

inline OnlineSample online_sample(const Online& a, size_t step) {
  const size_t index = size_t(a.order[step]), out = a.layers[a.depth - 1].out;
  OnlineSample sample = {a.x + index * a.layers[0].in, a.target ? a.target + index * out : nullptr,
                         a.label ? a.label + index : nullptr, 1, 1};
  if (sample.label && a.class_weight) sample.class_scale = double(a.class_weight[*sample.label]);
  sample.weight = (a.sample_weight ? double(a.sample_weight[index]) : 1.0) * sample.class_scale;
  return sample;
}

inline size_t largest_output(size_t count, const real* x) {
  size_t best = 0;
  for (size_t j = 1; j < count; ++j) best = x[j] > x[best] ? j : best;
  return best;
}

// As count_correct in training/metrics.h.
inline bool is_correct(const Online& a, const OnlineSample& sample, const real* x) {
  const size_t count = a.layers[a.depth - 1].out;
  if (a.loss == LossKind::kCrossEntropy) {
    return largest_output(count, x) ==
           (sample.label ? size_t(*sample.label) : largest_output(count, sample.target));
  }
  if (a.loss != LossKind::kBinaryCrossEntropyWithLogits) return false;
  for (size_t j = 0; j < count; ++j) {
    if ((x[j] > 0) != (sample.target[j] > real(0.5))) return false;
  }
  return true;
}

// The loss of output x (out,); its gradient is written to grad (out,) unless that is null. A batch of one:
// its weight divided by the weights' sum is 1.
inline double online_loss(const Online& a, const OnlineSample& sample, const real* x, real* grad) {
  const real scale = real(1 / sample.class_scale);
  const Loss args = {
      a.loss,         a.loss_parameter, 1,   a.layers[a.depth - 1].out, x, sample.target, sample.label,
      a.class_weight, &scale,           grad};
  return loss_row(args, 0, scale);
}

// Counts the loss in; false when it is not finite, and the run ends.
inline bool count_loss(bpnet::OnlineResult& result, const OnlineSample& sample, double value) {
  result.loss_sum += sample.weight * value;
  result.weight_sum += sample.weight;
  return is_finite(real(value));
}

}  // namespace
