#include "bpnet/training/batch_loss.h"

#include "bpnet/training/custom_batch.h"

namespace bpnet {

template <class T>
BatchLoss<T>::BatchLoss(BasicNetwork<T>& network, const Loss& loss)
    : network_(&network),
      kind_(loss_kind(loss)),
      parameter_(loss_parameter(loss)),
      weighs_classes_(!loss_class_weight(loss).empty()),
      custom_(std::holds_alternative<CustomLoss>(loss) ? std::optional(std::get<CustomLoss>(loss))
                                                       : std::nullopt),
      class_weight_(network.memory()),
      row_scale_(network.memory()),
      one_(network.memory()),
      sums_(network.memory()) {
  const std::vector<T> weights(loss_class_weight(loss).begin(), loss_class_weight(loss).end());
  class_weight_.reserve(weights.size() * sizeof(T));
  write_to(network.memory(), class_weight_.at<T>(0), weights.data(), weights.size());
  const double one = 1;
  one_.reserve(sizeof one);
  write_to(network.memory(), one_.at<double>(0), &one, 1);
  sums_.reserve(sizeof(Sums));
}

template <class T>
void BatchLoss<T>::reserve(std::size_t max_batch) {
  row_scale_.reserve(max_batch * sizeof(T));
  network_->reserve_scratch(network_->kernels().loss_workspace(max_batch, network_->output_shape().count()));
}

template <class T>
RowWeights<T> BatchLoss<T>::row_weights(const Batch<T>& batch) const {
  return {batch.count, batch.sample_weight, batch.labels, class_weight()};
}

template <class T>
void BatchLoss<T>::weigh(const Batch<T>& batch) {
  network_->kernels().weigh_rows(network_->context(), row_weights(batch), &sums()->batch_weight);
}

template <class T>
void BatchLoss<T>::scale_to_mean(const Batch<T>& batch) {
  network_->kernels().scale_rows(network_->context(), row_weights(batch), &sums()->batch_weight,
                                 row_scale_.at<T>(0));
}

template <class T>
void BatchLoss<T>::scale_to_sum(const Batch<T>& batch) {
  network_->kernels().scale_rows(network_->context(), row_weights(batch), one_.at<double>(0),
                                 row_scale_.at<T>(0));
}

template <class T>
LossArgs<T> BatchLoss<T>::args(const Batch<T>& batch, const T* output, T* grad_output) {
  return {kind_,
          parameter_,
          batch.count,
          network_->output_shape().count(),
          output,
          batch.targets,
          batch.labels,
          class_weight(),
          row_scale_.at<T>(0),
          grad_output,
          &sums()->batch_loss};
}

template <class T>
void BatchLoss<T>::run(const Batch<T>& batch, const LossArgs<T>& args, Tally how) {
  if (custom_) return run_custom(batch, args, how);
  network_->kernels().loss(network_->context(), args);
}

template <class T>
void BatchLoss<T>::run_custom(const Batch<T>& batch, const LossArgs<T>& args, Tally how) {
  const Sums now = read();
  if (now.stopped) return;
  const double weight_sum = how == Tally::kEvaluation ? 1 : now.batch_weight;
  const double value = custom_loss(*custom_, *network_, batch, args.output, weight_sum, args.grad_output);
  write_to(network_->memory(), &sums()->batch_loss, &value, 1);
}

template <class T>
void BatchLoss<T>::judge(const LossArgs<T>& args, Tally how) {
  network_->kernels().judge(network_->context(), args, how, sums());
}

template <class T>
void BatchLoss<T>::tally(Tally how) {
  network_->kernels().tally(network_->context(), how, sums());
}

template <class T>
Sums BatchLoss<T>::read() const {
  Sums result;
  read_from(network_->memory(), &result, sums_.at<Sums>(0), 1);
  return result;
}

template class BatchLoss<float>;
template class BatchLoss<double>;

}  // namespace bpnet
