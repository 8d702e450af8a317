// How several trainers, each with its part of a batch, make the step of the whole.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bpnet {

// In each step a trainer calls, in this order: `number` for "weight_sum", the sum of its samples' weights,
// before the loss; `number` for "loss", its part of the loss; `gradient` for each layer that has parameters
// and is not frozen, the last layer first, as soon as backward has made its gradient. Each is to replace what
// it is given by the sum over all trainers. What it throws ends the step, which updates nothing then. Every
// trainer makes the same number of steps, with at least one sample in each: the others wait for it.
template <class T>
struct Reducer {
  void (*number)(void* context, const char* name, double* value) = nullptr;
  // A layer's gradients, those of its parameters one after another, in the backend's memory. Between them
  // there may be elements that no parameter has.
  void (*gradient)(void* context, const char* layer, T* gradient, std::size_t count) = nullptr;
  void* context = nullptr;
  // How many rows of the whole batch the trainers before this one have, when this one has `rows`: random
  // masks depend on a row's index in the whole. Null: none.
  std::uint64_t (*first_row)(void* context, std::size_t rows) = nullptr;

  explicit operator bool() const { return gradient != nullptr; }
};

}  // namespace bpnet
