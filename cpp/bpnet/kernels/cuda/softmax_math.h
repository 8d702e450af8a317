// Properties of a row for softmax and its loss.
#pragma once

#include <cmath>
#include <limits>

#include "bpnet/kernels/cuda/teams.h"

namespace bpnet::cuda {

template <class T>
struct Exponentials {
  T largest, sum;  // max_c x_c;  Σ_c exp(x_c − largest), NaN if any x is
};

// Of x (columns,), in every member of the team.
template <class Team, class T>
__device__ Exponentials<T> exponentials(size_t columns, const T* x) {
  T largest = -std::numeric_limits<T>::infinity(), sum = 0;
  for (size_t c = Team::member(); c < columns; c += Team::members()) largest = Larger{}(largest, x[c]);
  largest = Team::fold(largest, Larger{}, -std::numeric_limits<T>::infinity());
  for (size_t c = Team::member(); c < columns; c += Team::members()) sum += std::exp(x[c] - largest);
  return {largest, Team::fold(sum, Plus{}, T(0))};
}

}  // namespace bpnet::cuda
