#include "bpnet/layers/merge.h"

#include "bpnet/core/error.h"
#include "bpnet/layers/options.h"

namespace bpnet {

bool concatenates(const LayerSpec& parallel) {
  Options options("parallel", parallel.options);
  const bool concat = options.choice("merge", {"sum", "concat"}) == "concat";
  options.finish();
  return concat;
}

template <class T>
void Sum<T>::forward(Context& context, const ForwardArgs<T>& a) const {
  const std::size_t count = a.batch * a.input_shape[0].count();
  a.kernels.add(context, count, a.x[0], a.x[1], a.y);
  for (std::size_t i = 2; i < inputs_; ++i) a.kernels.add(context, count, a.y, a.x[i], a.y);
  if (a.activation.kind != ActivationKind::kIdentity) {
    a.kernels.activation_forward(context, a.activation, count, a.y, a.y);
  }
}

template <class T>
void Sum<T>::backward(Context& context, const BackwardArgs<T>& a) const {
  const std::size_t count = a.batch * a.input_shape[0].count();
  for (std::size_t i = inputs_; i-- > 0;) {
    T* const grad = a.grad_x[i];
    if (!grad || grad == a.grad_y) continue;
    if (a.adds[i]) {
      a.kernels.add(context, count, grad, a.grad_y, grad);
    } else {
      a.kernels.copy_columns(context, {1, count, count, count}, a.grad_y, grad, false);
    }
  }
}

template <class T>
Concat<T>::Concat(const std::vector<Shape>& inputs, Layout layout) : layout_(layout), columns_(0) {
  const Shape& first = inputs[0];
  std::vector<std::size_t> sizes(first.begin(), first.end());
  sizes[0] = 0;
  for (const Shape& input : inputs) sizes[0] = checked_sum("parallel", sizes[0], input[0]);
  output_ = Shape(sizes);
  const std::size_t positions = first.count() / first[0];
  rows_ = layout == Layout::kChannelsLast ? positions : 1;
  for (const Shape& input : inputs) {
    widths_.push_back(input.count() / rows_);
    offsets_.push_back(columns_);
    columns_ += widths_.back();
  }
}

template <class T>
void Concat<T>::forward(Context& context, const ForwardArgs<T>& a) const {
  for (std::size_t i = 0; i < widths_.size(); ++i) {
    a.kernels.copy_columns(context, {a.batch * rows_, widths_[i], widths_[i], columns_}, a.x[i],
                           a.y + offsets_[i], false);
  }
}

template <class T>
void Concat<T>::backward(Context& context, const BackwardArgs<T>& a) const {
  for (std::size_t i = widths_.size(); i-- > 0;) {
    if (!a.grad_x[i]) continue;
    a.kernels.copy_columns(context, {a.batch * rows_, widths_[i], columns_, widths_[i]},
                           a.grad_y + offsets_[i], a.grad_x[i], a.adds[i]);
  }
}

template class Sum<float>;
template class Sum<double>;
template class Concat<float>;
template class Concat<double>;

}  // namespace bpnet
