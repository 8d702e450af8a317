// What several trainers, each with its part of a batch, hand to each other to make the step of the whole.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bpnet {

// In each step a trainer calls, in this order: `number` for "weight_sum", the sum of its samples' weights,
// before the loss; `number` for "loss", its part of the loss; `gradient` for each layer that has parameters,
// the last layer first, as soon as backward has made its gradient. Each is to put in place of what it is
// given the sum over all trainers. What it throws ends the step, which updates nothing then.
template <class T>
struct Reducer {
  void (*number)(void* context, const char* name, double* value) = nullptr;
  // A layer's gradients, those of its parameters one after another, in the backend's memory. Between them
  // there may be elements that no parameter has.
  void (*gradient)(void* context, const char* layer, T* gradient, std::size_t count) = nullptr;
  void* context = nullptr;
  // How many rows of the whole batch the trainers before this one have: random masks depend on a row's place
  // in the whole.
  std::uint64_t first_row = 0;

  explicit operator bool() const { return gradient != nullptr; }
};

}  // namespace bpnet
