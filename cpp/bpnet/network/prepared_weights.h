// Weights as a backend multiplies by them in forward, kept from one inference to the next.
#pragma once

#include <vector>

#include "bpnet/core/memory/arena.h"
#include "bpnet/kernels/backend.h"
#include "bpnet/network/plan.h"

namespace bpnet {

// They are made at the second piece of an inference, or inference, with the same weights: a network that is
// trained between small inferences, or is asked once, neither makes them nor has memory for them.
template <class T>
class PreparedWeights {
 public:
  PreparedWeights(const Plan<T>& plan, const Backend& backend);

  void weights_change() { ++version_; }
  // The caller has pointers by which it may write weights at any time: nothing is kept, and nothing will be.
  void weights_escape();

  // Before an inference: makes them where it is time to. An exception leaves none.
  void begin(Context& context, const Plan<T>& plan, T* const* parameters);
  // Those of a step in that inference; null: the step uses its parameters.
  const unsigned char* of_step(std::size_t index) const;
  const Preparation<T>* preparation() const { return preparation_; }

 private:
  bool are_valid() const { return made_ == version_; }
  bool has_memory();

  static constexpr std::uint64_t kNone = 0;
  const Preparation<T>* preparation_;  // null: nothing is ever prepared
  std::vector<std::size_t> offsets_;   // by step, and the end of the last
  Arena memory_;
  bool escaped_ = false;
  std::uint64_t version_ = 1;      // of the weights
  std::uint64_t seen_ = kNone;     // at the last inference
  std::uint64_t made_ = kNone;     // of those in memory_
  std::uint64_t refused_ = kNone;  // for which there was no memory
};

extern template class PreparedWeights<float>;
extern template class PreparedWeights<double>;

}  // namespace bpnet
