#include "bpnet/training/chain_batch.h"

#include <algorithm>

#include "bpnet/core/shape.h"

namespace bpnet {

template <class T>
ChainBatch<T>::ChainBatch(BasicNetwork<T>& network, const Loss& loss, const Chain& chain)
    : network_(&network), output_(network.memory()) {
  // The kernel computes the gradients of all layers, by a built-in loss.
  if (!chain.obstacle.empty() || chain.links.empty() || chain.frozen) return;
  if (std::holds_alternative<CustomLoss>(loss)) return;
  if (!network.kernels().chain_workspace) return;
  const auto at = [&](T* data, std::size_t parameter) {
    return data + network.plan().parameters[parameter].offset;
  };
  for (const ChainLink& link : chain.links) {
    ChainLayer<T> layer{link.in, link.out, link.activation, nullptr, nullptr, nullptr, nullptr};
    if (link.parameter) {
      layer.weight = at(network.parameter_data(Writes::kNever), *link.parameter);
      layer.grad_weight = at(network.gradient_data(), *link.parameter);
      if (link.bias) {
        layer.bias = at(network.parameter_data(Writes::kNever), *link.parameter + 1);
        layer.grad_bias = at(network.gradient_data(), *link.parameter + 1);
      }
    }
    layers_.push_back(layer);
  }
  taken_ = workspace(kLeastBatch) > 0;
}

template <class T>
std::size_t ChainBatch<T>::workspace(std::size_t batch) const {
  LossArgs<T> loss{};
  loss.rows = batch;
  loss.columns = network_->output_shape().count();
  return network_->kernels().chain_workspace({layers_.data(), layers_.size(), nullptr, nullptr, loss});
}

template <class T>
std::size_t ChainBatch<T>::most_layer_by_layer(std::size_t max_batch) const {
  return taken_ ? std::min(max_batch, kLeastBatch - 1) : max_batch;
}

template <class T>
void ChainBatch<T>::reserve(std::size_t max_batch) {
  if (!takes(max_batch)) return;
  output_.reserve(checked_product("trainer", max_batch, network_->output_shape().count()) * sizeof(T));
  network_->reserve_scratch(workspace(max_batch));
}

template <class T>
void ChainBatch<T>::run(const T* x, const LossArgs<T>& loss) {
  network_->forget_recorded();
  const ChainArgs<T> args{layers_.data(), layers_.size(), x, output_.template at<T>(0), loss};
  Interruptible work(network_->interrupted);
  network_->kernels().chain_gradients(network_->context(), args);
  work.check();
}

template class ChainBatch<float>;
template class ChainBatch<double>;

}  // namespace bpnet
