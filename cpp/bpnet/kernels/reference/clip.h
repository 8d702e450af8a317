#pragma once

#include <cmath>

#include "bpnet/kernels/kernels.h"

namespace bpnet::reference {

inline size_t clip_workspace(size_t) { return 0; }

template <class T, class Change>
void for_each_gradient(const ClipArgs<T>& a, const Change& change) {  // change(element)
  for (size_t s = 0; s < a.count; ++s) {
    T* const grad = a.grad + a.ranges[s].offset;
    for (size_t i = 0; i < a.ranges[s].count; ++i) change(grad[i]);
  }
}

template <class T>
void clip(Context&, const ClipArgs<T>& a, Tally how, Sums* sums) {
  if (!sums->updates) return;
  const T value = T(a.value);
  if (a.value > 0) {
    for_each_gradient(a, [&](T& g) { g = g > value ? value : g < -value ? -value : g; });  // NaN is kept
  }
  if (a.norm == 0) return;
  double squares = 0;
  for_each_gradient(a, [&](T& g) { squares += double(g) * double(g); });
  const double norm = std::sqrt(squares);
  if (how == Tally::kTraining && !std::isfinite(norm)) {
    sums->stopped = 1;
    sums->stopping_loss = sums->batch_loss;
    sums->updates = 0;
    return;
  }
  const double share = a.norm / (norm + 1e-6);
  if (share >= 1) return;
  for_each_gradient(a, [&](T& g) { g *= T(share); });
}

}  // namespace bpnet::reference
