// The update of weights by their gradients: clipping, the optimizer's rule for each range of the flat arrays,
// and its state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bpnet/network/network.h"
#include "bpnet/training/optimizer.h"

namespace bpnet {

// The network must outlive it and must not move.
template <class T>
class Update {
 public:
  Update(BasicNetwork<T>& network, const Optimizer& optimizer);

  // The arguments of an update at the schedule's learning rate; `step` counts from 1.
  UpdateStep at(double lr, std::uint64_t step) const { return update_step(optimizer_, lr, step); }
  // Another optimizer's numbers from the next update on; it has the same kind and the same slots.
  void set_optimizer(const Optimizer& optimizer);
  // One update of all weights. Nothing is done where `sums` say so, which are in the backend's memory like
  // `now`. Clipping changes the gradients.
  void apply(const UpdateStep* now, Tally how, Sums* sums);

  // The argument of kernels, for one parameter and without a step's rate and corrections.
  UpdateArgs args_of(std::size_t parameter) const;
  void set_slots(std::size_t offset, T** slots);  // of the parameters from there on; null beyond the last

  std::vector<NamedTensor<T>> slots();  // "momentum.0.weight", …
  std::size_t slot_size() const;        // numbers of all slots
  T* slot_data() { return slots_.at<T>(0); }

 private:
  void clip(Tally how, Sums* sums);

  struct Segment {  // neighbours in the flat arrays that are updated alike
    std::size_t offset, count;
    UpdateRule rule;
    UpdateArgs args;
    T* slots[2];
  };

  BasicNetwork<T>* network_;
  Optimizer optimizer_;
  std::vector<std::string> slot_names_;
  std::vector<Segment> segments_;
  Clipping clipping_;
  std::vector<FlatRange> gradients_;  // that are clipped
  Arena slots_;                       // one array of plan().parameter_size per slot
};

extern template class Update<float>;
extern template class Update<double>;

}  // namespace bpnet
