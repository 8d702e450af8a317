#include "bpnet/training/batch_gradient.h"

#include <algorithm>
#include <cmath>

#include "bpnet/core/error.h"

namespace bpnet {

template <class T>
BatchGradient<T>::BatchGradient(BasicNetwork<T>& network, const Loss& loss, const Chain& chain)
    : network_(&network), loss_(network, loss), chain_(network, loss, chain) {}

template <class T>
void BatchGradient<T>::reserve(std::size_t max_batch) {
  network_->reserve(reducer_ ? max_batch : chain_.most_layer_by_layer(max_batch));
  loss_.reserve(max_batch);
  chain_.reserve(max_batch);
  reserved_ = std::max(reserved_, max_batch);
}

template <class T>
bool BatchGradient<T>::holds(std::size_t batch) const {
  return batch <= reserved_ && (as_chain(batch) || batch <= network_->reserved_batch());
}

template <class T>
double BatchGradient<T>::reduce(const char* name, double* number) {
  double value;
  read_from(network_->memory(), &value, number, 1);
  reducer_.number(reducer_.context, name, &value);
  write_to(network_->memory(), number, &value, 1);
  return value;
}

template <class T>
void BatchGradient<T>::reduce_layer(void* self, const std::string& layer, std::size_t offset,
                                    std::size_t count) {
  const auto& me = *static_cast<BatchGradient*>(self);
  me.reducer_.gradient(me.reducer_.context, layer.c_str(), me.network_->gradient_data() + offset, count);
}

template <class T>
std::uint64_t BatchGradient<T>::first_row(std::size_t batch) const {
  return reducer_.first_row ? reducer_.first_row(reducer_.context, batch) : 0;
}

template <class T>
void BatchGradient<T>::run(const Batch<T>& batch, const RandomStep* now, Tally how) {
  loss_.weigh(batch);
  if (reducer_) {
    const double sum = reduce("weight_sum", &loss_.sums()->batch_weight);
    if (!std::isfinite(sum) || sum < 0) {
      fail<NumericError>("reducer: weight_sum is ", sum, " after the reduction, a sum of weights is needed");
    }
  }
  loss_.scale_to_mean(batch);
  if (as_chain(batch.count)) {
    const LossArgs<T> args = loss_.args(batch, chain_.output(), nullptr);
    chain_.run(batch.x, args);
    loss_.judge(args, how);
    return;
  }
  const T* output = network_->forward_training(batch.x, batch.count, now, &loss_.sums()->stopped);
  const LossArgs<T> args = loss_.args(batch, output, network_->grad_output());
  loss_.run(batch, args, how);
  if (reducer_) reduce("loss", &loss_.sums()->batch_loss);
  loss_.judge(args, how);
  const GradientReady ready{&reduce_layer, this};
  network_->backward(network_->grad_output(), nullptr, false, reducer_ ? &ready : nullptr);
}

template class BatchGradient<float>;
template class BatchGradient<double>;

}  // namespace bpnet
