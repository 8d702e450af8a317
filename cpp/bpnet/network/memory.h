// The offsets in the network's workspace of all arrays of one batch. Every piece has a lifetime; pieces whose
// lifetimes do not overlap share memory.
#pragma once

#include <vector>

#include "bpnet/network/plan.h"

namespace bpnet {

struct BatchMemory {  // offsets in bytes from the start of the workspace
  std::size_t batch = 0;
  std::size_t bytes = 0;                        // of the whole workspace
  std::vector<std::size_t> activations;         // by id; 0, the network's input, is the caller's
  std::vector<std::size_t> saved;               // by step: its layer's data from forward to backward
  std::vector<std::size_t> gradients;           // by id, of the gradient by that activation
  std::vector<std::vector<std::size_t>> spare;  // by step and input: a gradient before it is added
};

template <class T>
BatchMemory training_memory(const Plan<T>& plan, std::size_t batch);

// Without gradients: an activation's memory is free after its last consumer.
template <class T>
BatchMemory inference_memory(const Plan<T>& plan, std::size_t batch);

}  // namespace bpnet
