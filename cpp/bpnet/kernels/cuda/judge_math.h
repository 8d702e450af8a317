// Whether a row of outputs is correct, computed by a team.
#pragma once

#include "bpnet/kernels/cuda/teams.h"

namespace bpnet::cuda {

struct Greater {  // of two numbers; a where b is NaN
  template <class T>
  __device__ T operator()(T a, T b) const {
    return b > a ? b : a;
  }
};

// Index of the first of the largest of x (count,); NaN is never larger, and nothing is larger than a first
// NaN.
template <class Team, class T>
__device__ size_t largest_of(size_t count, const T* x) {
  T value = x[0];
  size_t index = 0;
  for (size_t c = Team::member(); c < count; c += Team::members()) {
    if (x[c] > value) value = x[c], index = c;
  }
  const T largest = Team::fold(value, Greater{}, x[0]);
  return Team::fold(value < largest ? count : index, Smaller{}, count);
}

// For output x (columns,), by the rule of Kernels::judge, with target (columns,) or, where that is null,
// label; in every member of the team.
template <class Team, class T>
__device__ bool is_correct(LossKind kind, size_t columns, const T* x, const T* target, size_t label) {
  if (kind == LossKind::kCrossEntropy) {
    const size_t likeliest = target ? largest_of<Team>(columns, target) : label;
    return largest_of<Team>(columns, x) == likeliest;
  }
  if (kind != LossKind::kBinaryCrossEntropyWithLogits) return false;
  unsigned wrong = 0;
  for (size_t c = Team::member(); c < columns; c += Team::members())
    wrong |= (x[c] > 0) != (target[c] > T(0.5));
  return Team::fold(wrong, Plus{}, 0u) == 0;
}

}  // namespace bpnet::cuda
