// The lecture's loop, one sample at a time: forward, backward, update within one kernel.
#pragma once

#include "bpnet/network/chain.h"
#include "bpnet/training/batch_loss.h"
#include "bpnet/training/update.h"

namespace bpnet {

// Within a block the training cannot be interrupted, and a block needs a matrix of its length squared.
constexpr std::size_t kMostOnlineBlock = 1024;

// The network must outlive it and must not move.
template <class T>
class OnlineLoop {
 public:
  OnlineLoop(BasicNetwork<T>& network, const Loss& loss, const Optimizer& optimizer, const Chain& chain);

  void set_optimizer(const Optimizer& optimizer);  // of the same kind, with other numbers

  const std::string& obstacle() const { return obstacle_; }  // why the network is no chain, or empty
  // False: steps of one sample are made layer by layer. The kernel has the losses of LossKind, and updates
  // every layer immediately, by gradients that are not clipped.
  bool takes() const { return takes_; }

  // The most samples of a call from `position` on, which is relative to the start of the blocks. Calls end at
  // the end of a block: pausing or resuming a run moves no block.
  std::size_t samples(std::size_t position, std::size_t block) const;

  // `count` samples of the order from `first` on, whose steps follow `step`, into the sums of `loss`; `block`
  // as in RunOptions.
  void run(const OrderedData<T>& data, std::size_t first, std::size_t count, std::size_t block,
           std::uint64_t step, double lr, BatchSource<T>& source, BatchLoss<T>& loss, Update<T>& update);

 private:
  void set_layers(double lr, Update<T>& update);
  const std::uint64_t* count_up(std::size_t count);

  BasicNetwork<T>* network_;
  LossKind loss_kind_;
  double loss_parameter_;
  UpdateArgs rule_;
  std::vector<ChainLink> links_;
  std::string obstacle_;
  bool takes_;
  std::vector<OnlineLayer<T>> layers_;
  Arena order_;  // 0, 1, … where samples were gathered
  std::size_t counted_ = 0;
};

extern template class OnlineLoop<float>;
extern template class OnlineLoop<double>;

}  // namespace bpnet
