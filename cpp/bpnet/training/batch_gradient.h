// A batch's loss and the gradients of all parameters: layer by layer, or a narrow chain in one kernel.
#pragma once

#include "bpnet/training/batch_loss.h"
#include "bpnet/training/chain_batch.h"
#include "bpnet/training/reducer.h"

namespace bpnet {

// The network must outlive it and must not move.
template <class T>
class BatchGradient {
 public:
  BatchGradient(BasicNetwork<T>& network, const Loss& loss, const Chain& chain);

  void reserve(std::size_t max_batch);      // batches of so many samples take no memory
  bool holds(std::size_t max_batch) const;  // whether they allocate none

  // The offset of the batch's rows among those of all trainers.
  std::uint64_t first_row(std::size_t batch) const;
  // Leaves the gradients in the network and the batch's loss, judged, in the sums. With a reducer both are
  // those of all trainers. `now` is in the backend's memory. After an exception the caller undoes the forward
  // pass.
  void run(const Batch<T>& batch, const RandomStep* now, Tally how);
  // Whether no part of it is computed on the host.
  bool is_all_kernels() const { return !reducer_ && !loss_.is_custom(); }

  BatchLoss<T>& loss() { return loss_; }
  void set_reducer(const Reducer<T>& reducer) { reducer_ = reducer; }
  const Reducer<T>& reducer() const { return reducer_; }

 private:
  bool as_chain(std::size_t batch) const { return !reducer_ && chain_.takes(batch); }
  double reduce(const char* name, double* number);  // returns it too
  static void reduce_layer(void* self, const std::string& layer, std::size_t offset, std::size_t count);

  BasicNetwork<T>* network_;
  BatchLoss<T> loss_;
  ChainBatch<T> chain_;
  Reducer<T> reducer_;
  std::size_t reserved_ = 0;
};

extern template class BatchGradient<float>;
extern template class BatchGradient<double>;

}  // namespace bpnet
