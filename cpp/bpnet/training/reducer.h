// Lets several trainers, each with its part of a batch, make the step of the whole batch.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bpnet {

// In each step a trainer calls, in this order: `number` for "weight_sum", the sum of its samples' weights,
// before the loss; `number` for "loss", its part of the loss; `gradient` for each layer that has parameters
// and is not frozen, the last layer first, as soon as backward has computed its gradient. Each must replace
// its argument by the sum over all trainers. An exception ends the step, which then updates nothing. Every
// trainer makes the same number of steps, with at least one sample in each: the others wait for it.
template <class T>
struct Reducer {
  void (*number)(void* context, const char* name, double* value) = nullptr;
  // A layer's gradients, those of its parameters one after another, in the backend's memory. Between them
  // there may be elements of no parameter.
  void (*gradient)(void* context, const char* layer, T* gradient, std::size_t count) = nullptr;
  void* context = nullptr;
  // How many rows of the whole batch the trainers before this one have, when this one has `rows`: random
  // masks depend on a row's index in the whole batch. Null: none.
  std::uint64_t (*first_row)(void* context, std::size_t rows) = nullptr;

  explicit operator bool() const { return gradient != nullptr; }
};

}  // namespace bpnet
