// The loss of batches: the weights of their rows, the loss and its gradient, and sums over several batches.
#pragma once

#include <optional>

#include "bpnet/training/batch.h"
#include "bpnet/training/loss.h"

namespace bpnet {

// Arrays are in the backend's memory. The network must outlive it and must not move.
template <class T>
class BatchLoss {
 public:
  BatchLoss(BasicNetwork<T>& network, const Loss& loss);

  void reserve(std::size_t max_batch);  // batches of so many samples take no memory

  void weigh(const Batch<T>& batch);          // batch_weight = Σ of the samples' weights
  void scale_to_mean(const Batch<T>& batch);  // a row counts by its weight over batch_weight
  void scale_to_sum(const Batch<T>& batch);   // a row counts by its weight

  bool is_custom() const { return custom_.has_value(); }

  // As kernels take it; output and its gradient are (batch, outputs).
  LossArgs<T> args(const Batch<T>& batch, const T* output, T* grad_output);
  // batch_loss, and the gradient. Exceptions of a CustomLoss are passed on.
  void run(const Batch<T>& batch, const LossArgs<T>& args, Tally how);
  // Whether the batch is learned from, and which answers are correct.
  void judge(const LossArgs<T>& args, Tally how);
  void tally(Tally how);  // adds the batch to the sums

  Sums* sums() { return sums_.at<Sums>(0); }  // in the backend's memory
  void write(const Sums& sums) { write_to(network_->memory(), this->sums(), &sums, 1); }
  Sums read() const;
  const T* class_weight() const { return weighs_classes_ ? class_weight_.template at<T>(0) : nullptr; }

 private:
  RowWeights<T> row_weights(const Batch<T>& batch) const;
  void run_custom(const Batch<T>& batch, const LossArgs<T>& args, Tally how);

  BasicNetwork<T>* network_;
  LossKind kind_;
  double parameter_;
  bool weighs_classes_;
  std::optional<CustomLoss> custom_;
  Arena class_weight_, row_scale_, one_, sums_;
};

extern template class BatchLoss<float>;
extern template class BatchLoss<double>;

}  // namespace bpnet
