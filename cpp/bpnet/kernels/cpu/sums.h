// Sums of weights, losses and correct answers over batches.
#pragma once

#include "bpnet/kernels/cpu/base/scalar_math.h"
#include "bpnet/kernels/kernels.h"

namespace {

// A volatile product is not contracted to a fused multiply-add: reported sums have the same bits with every
// instruction set.

using Weights = bpnet::RowWeights<real>;

void weigh_rows(bpnet::Context&, const Weights& a, double* sum) {
  const bool by_class = a.label && a.class_weight;
  if (!a.sample_weight && !by_class) {
    *sum = double(a.rows);
    return;
  }
  double total = 0;
  for (size_t row = 0; row < a.rows; ++row) {
    const double weight = a.sample_weight ? double(a.sample_weight[row]) : 1.0;
    const volatile double product = by_class ? weight * double(a.class_weight[a.label[row]]) : weight;
    total += product;
  }
  *sum = total;
}

void scale_rows(bpnet::Context&, const Weights& a, const double* sum, real* row_scale) {
  const bool weighs = *sum > 0;
  const real each = weighs ? real(1 / *sum) : real(0);
  for (size_t row = 0; row < a.rows; ++row) {
    row_scale[row] = weighs && a.sample_weight ? real(double(a.sample_weight[row]) / *sum) : each;
  }
}

inline size_t largest_output(size_t count, const real* x) {
  size_t best = 0;
  for (size_t j = 1; j < count; ++j) best = x[j] > x[best] ? j : best;
  return best;
}

// Whether the output x (count,) of one row is correct.
inline bool is_correct(bpnet::LossKind kind, size_t count, const real* x, const int64_t* label,
                       const real* target) {
  if (kind == bpnet::LossKind::kCrossEntropy) {
    return largest_output(count, x) == (label ? size_t(*label) : largest_output(count, target));
  }
  if (kind != bpnet::LossKind::kBinaryCrossEntropyWithLogits) return false;
  for (size_t j = 0; j < count; ++j) {
    if ((x[j] > 0) != (target[j] > real(0.5))) return false;
  }
  return true;
}

inline bool is_finite_number(double x) { return x - x == 0; }

void judge(bpnet::Context&, const bpnet::LossArgs<real>& a, bpnet::Tally how, bpnet::Sums* sums) {
  if (sums->stopped) return;
  if (how == bpnet::Tally::kTraining && !is_finite_number(sums->batch_loss)) {
    sums->stopped = 1;
    sums->stopping_loss = sums->batch_loss;
    sums->updates = 0;
    return;
  }
  sums->updates = sums->batch_weight > 0;
  sums->batch_correct = 0;
  const bool judged =
      a.kind == bpnet::LossKind::kCrossEntropy || a.kind == bpnet::LossKind::kBinaryCrossEntropyWithLogits;
  for (size_t row = 0; judged && row < a.rows; ++row) {
    sums->batch_correct +=
        is_correct(a.kind, a.columns, a.output + row * a.columns, a.label ? a.label + row : nullptr,
                   a.target ? a.target + row * a.columns : nullptr);
  }
}

void tally(bpnet::Context&, bpnet::Tally how, bpnet::Sums* sums) {
  if (sums->stopped) return;
  ++sums->steps;
  sums->correct += sums->batch_correct;
  sums->weight += sums->batch_weight;
  if (how == bpnet::Tally::kEvaluation) {
    sums->loss += sums->batch_loss;
  } else if (sums->updates) {
    const volatile double share = sums->batch_loss * sums->batch_weight;
    sums->loss += share;
  }
}

}  // namespace
