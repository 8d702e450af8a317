// A batch of a narrow chain in one kernel, instead of layer by layer.
#pragma once

#include <vector>

#include "bpnet/network/chain.h"
#include "bpnet/training/loss.h"

namespace bpnet {

// The network must outlive it and must not move.
template <class T>
class ChainBatch {
 public:
  ChainBatch(BasicNetwork<T>& network, const Loss& loss, const Chain& chain);

  // False: the layers are to be run one by one. So are those of any network for a few samples, with which
  // vectors would be half empty.
  bool takes(std::size_t batch) const { return taken_ && batch >= kLeastBatch; }
  std::size_t most_layer_by_layer(std::size_t max_batch) const;  // samples of a batch of up to max_batch

  // Allocates the memory for batches of up to max_batch; run() within it allocates none.
  void reserve(std::size_t max_batch);

  // The loss is written where `loss` says, of loss.rows samples x (rows, input). Overwrites the network's
  // gradients() and leaves the outputs in output(), where `loss` has them; its gradient by them is not
  // needed.
  void run(const T* x, const LossArgs<T>& loss);
  const T* output() const { return output_.template at<T>(0); }

 private:
  static constexpr std::size_t kLeastBatch = 8;

  std::size_t workspace(std::size_t batch) const;  // bytes

  BasicNetwork<T>* network_;
  std::vector<ChainLayer<T>> layers_;
  bool taken_ = false;
  Arena output_;
};

extern template class ChainBatch<float>;
extern template class ChainBatch<double>;

}  // namespace bpnet
