#include "bpnet/layers/dropout.h"

#include "bpnet/layers/options.h"

namespace bpnet {

LayerSpec dropout(double p, const std::string& scale_at) {
  return {"Dropout", Json::Object{{"p", p}, {"scale_at", scale_at}}};
}

template <class T>
Dropout<T>::Dropout(const Json& values) {
  Options options("dropout", values);
  p_ = options.number("p", 0.5, 0, 1);
  scale_at_test_ = options.choice("scale_at", {"training", "test"}) == "test";
  options.finish();
}

template <class T>
std::size_t Dropout<T>::saved_size(const Shape& input, std::size_t batch) const {
  return batch * input.count();  // the mask
}

template <class T>
void Dropout<T>::forward(Context& context, const ForwardArgs<T>& a) const {
  const std::size_t columns = a.input_shape[0].count();
  if (!a.training) {
    a.kernels.scale(context, a.batch * columns, scale_at_test_ ? 1 - p_ : 1, a.x[0], a.y);
    return;
  }
  const double inverted = p_ < 1 ? 1 / (1 - p_) : 0, scale = scale_at_test_ ? 1 : inverted;
  a.kernels.dropout_mask(context, a.now, a.number, a.batch, columns, 1 - p_, scale, a.saved);
  a.kernels.multiply(context, a.batch * columns, a.x[0], a.saved, a.y);
}

template <class T>
void Dropout<T>::backward(Context& context, const BackwardArgs<T>& a) const {
  if (a.grad_x[0]) {
    a.kernels.multiply(context, a.batch * a.input_shape[0].count(), a.grad_y, a.saved, a.grad_x[0]);
  }
}

template class Dropout<float>;
template class Dropout<double>;

}  // namespace bpnet
