#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {

template <class T>
const Kernels<T>* table() {
  static const Kernels<T> kernels = [] {
    Kernels<T> k{};
    set_activation(k);
    set_batch_norm(k);
    set_chain(k);
    set_clip(k);
    set_convolution(k);
    set_dropout(k);
    set_elementwise(k);
    set_gather(k);
    set_layout(k);
    set_linear(k);
    set_local_response(k);
    set_loss(k);
    set_online(k);
    set_optimizer(k);
    set_pooling(k);
    set_softmax(k);
    set_sums(k);
    return k;
  }();
  return &kernels;
}

template const Kernels<float>* table<float>();
template const Kernels<double>* table<double>();

}  // namespace bpnet::cuda
