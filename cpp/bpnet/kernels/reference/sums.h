// Sums of weights, losses and correct answers over batches.
#pragma once

#include <cmath>

#include "bpnet/kernels/kernels.h"

namespace bpnet::reference {

template <class T>
double row_weight(const RowWeights<T>& a, size_t row) {
  const double by_class = a.label && a.class_weight ? double(a.class_weight[a.label[row]]) : 1.0;
  return (a.sample_weight ? double(a.sample_weight[row]) : 1.0) * by_class;
}

template <class T>
void weigh_rows(Context&, const RowWeights<T>& a, double* sum) {
  *sum = 0;
  for (size_t row = 0; row < a.rows; ++row) *sum += row_weight(a, row);
}

template <class T>
void scale_rows(Context&, const RowWeights<T>& a, const double* sum, T* row_scale) {
  for (size_t row = 0; row < a.rows; ++row) {
    const double weight = a.sample_weight ? double(a.sample_weight[row]) : 1.0;
    row_scale[row] = *sum > 0 ? T(weight / *sum) : T(0);
  }
}

template <class T>
size_t largest_of(size_t count, const T* x) {
  size_t best = 0;
  for (size_t j = 1; j < count; ++j) best = x[j] > x[best] ? j : best;
  return best;
}

template <class T>
bool is_correct(LossKind kind, size_t count, const T* x, const int64_t* label, const T* target) {
  if (kind == LossKind::kCrossEntropy) {
    return largest_of(count, x) == (label ? size_t(*label) : largest_of(count, target));
  }
  if (kind != LossKind::kBinaryCrossEntropyWithLogits) return false;
  for (size_t j = 0; j < count; ++j) {
    if ((x[j] > 0) != (target[j] > T(0.5))) return false;
  }
  return true;
}

template <class T>
void judge(Context&, const LossArgs<T>& a, Tally how, Sums* sums) {
  if (sums->stopped) return;
  if (how == Tally::kTraining && !std::isfinite(sums->batch_loss)) {
    sums->stopped = 1;
    sums->stopping_loss = sums->batch_loss;
    sums->updates = 0;
    return;
  }
  sums->updates = sums->batch_weight > 0;
  sums->batch_correct = 0;
  for (size_t row = 0; row < a.rows; ++row) {
    sums->batch_correct +=
        is_correct(a.kind, a.columns, a.output + row * a.columns, a.label ? a.label + row : nullptr,
                   a.target ? a.target + row * a.columns : nullptr);
  }
}

inline void tally(Context&, Tally how, Sums* sums) {
  if (sums->stopped) return;
  ++sums->steps;
  sums->correct += sums->batch_correct;
  sums->weight += sums->batch_weight;
  if (how == Tally::kEvaluation) {
    sums->loss += sums->batch_loss;
  } else if (sums->updates) {
    sums->loss += sums->batch_loss * sums->batch_weight;
  }
}

}  // namespace bpnet::reference
