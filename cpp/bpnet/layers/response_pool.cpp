#include "bpnet/layers/response_pool.h"

#include <cstdint>

namespace bpnet {

template <class T>
bool ResponsePool<T>::takes(const Kernels<T>& kernels, const LocalResponseSizes& norm,
                            const PoolSizes& pool) {
  const bool dense = pool.height.dilation == 1 && pool.width.dilation == 1;
  return kernels.response_pool_forward && !norm.within_map && dense &&
         pool.height.kernel <= 255 / pool.width.kernel;
}

template <class T>
std::size_t ResponsePool<T>::saved_size(const Shape& input, std::size_t batch) const {
  return (batch * output_shape(input).count() + sizeof(T) - 1) / sizeof(T);
}

template <class T>
std::size_t ResponsePool<T>::workspace_size(const Kernels<T>& kernels, const Shape& input,
                                            std::size_t batch) const {
  return kernels.response_pool_workspace(norm_.sizes(input, batch), pool_.sizes(input, batch));
}

template <class T>
void ResponsePool<T>::forward(Context& context, const ForwardArgs<T>& a) const {
  const Shape& input = a.input_shape[0];
  a.kernels.response_pool_forward(context, norm_.sizes(input, a.batch), pool_.sizes(input, a.batch), a.x[0],
                                  a.y, reinterpret_cast<std::uint8_t*>(a.saved));
}

template <class T>
void ResponsePool<T>::backward(Context& context, const BackwardArgs<T>& a) const {
  if (!a.grad_x[0]) return;
  const Shape& input = a.input_shape[0];
  a.kernels.response_pool_backward(context, norm_.sizes(input, a.batch), pool_.sizes(input, a.batch), a.x[0],
                                   reinterpret_cast<const std::uint8_t*>(a.saved), a.grad_y, a.grad_x[0]);
}

template class ResponsePool<float>;
template class ResponsePool<double>;

}  // namespace bpnet
