#include "bpnet/layers/conversion.h"

namespace bpnet {

bool layouts_differ(const Shape& shape) {
  return shape.rank() >= 2 && shape[0] > 1 && shape.count() > shape[0];
}

template <class T>
void Conversion<T>::convert(Context& context, const Kernels<T>& kernels, const Shape& shape,
                            std::size_t batch, Layout to, const T* x, T* y) const {
  const std::size_t channels = shape[0], pixels = shape.count() / shape[0];
  if (to == Layout::kChannelsLast) {
    kernels.transpose(context, batch, channels, pixels, x, y);
  } else {
    kernels.transpose(context, batch, pixels, channels, x, y);
  }
}

template <class T>
void Conversion<T>::forward(Context& context, const ForwardArgs<T>& a) const {
  convert(context, a.kernels, a.input_shape[0], a.batch, to_, a.x[0], a.y);
}

template <class T>
void Conversion<T>::backward(Context& context, const BackwardArgs<T>& a) const {
  const Layout back = to_ == Layout::kPlain ? Layout::kChannelsLast : Layout::kPlain;
  if (a.grad_x[0]) convert(context, a.kernels, a.input_shape[0], a.batch, back, a.grad_y, a.grad_x[0]);
}

template class Conversion<float>;
template class Conversion<double>;

}  // namespace bpnet
