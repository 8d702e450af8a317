#include "bpnet/layers/pooling.h"

#include "bpnet/core/error.h"
#include "bpnet/layers/window.h"

namespace bpnet {
namespace {

LayerSpec pool_spec(const char* type, Extent kernel_size, const std::optional<Extent>& stride,
                    const Padding& padding, bool ceil_mode) {
  LayerSpec spec{type, {}};
  spec.options.set("kernel_size", kernel_size.describe());
  spec.options.set("stride", stride.value_or(kernel_size).describe());
  spec.options.set("padding", Extent(padding.top, padding.left).describe());
  spec.options.set("ceil_mode", ceil_mode);
  return spec;
}

void check_padding(const char* operation, const char* extent, std::size_t padding, std::size_t kernel) {
  if (padding <= kernel / 2) return;
  fail<ValueError>(operation, ": padding is ", padding, ", the kernel ", kernel, " ", extent,
                   ": padding must be at most half the kernel");
}

// A window that begins in the padding could step over a map narrower than its dilation, and have no inputs.
void check_seen(const char* operation, const char* extent, const AxisOptions& axis) {
  if (axis.before == 0 || axis.dilation <= axis.in) return;
  fail<ShapeError>(operation, ": input is ", axis.in, " ", extent, ", dilation is ", axis.dilation,
                   ": with padding the dilation must not be larger than the input");
}

}  // namespace

LayerSpec max_pool2d(Extent kernel_size, const MaxPool2dOptions& options) {
  LayerSpec spec = pool_spec("MaxPool2d", kernel_size, options.stride, options.padding, options.ceil_mode);
  spec.options.set("dilation", options.dilation.describe());
  return spec;
}

LayerSpec avg_pool2d(Extent kernel_size, const AvgPool2dOptions& options) {
  LayerSpec spec = pool_spec("AvgPool2d", kernel_size, options.stride, options.padding, options.ceil_mode);
  spec.options.set("count_include_pad", options.count_include_pad);
  return spec;
}

LayerSpec adaptive_avg_pool2d(Extent output_size) {
  return {"AdaptiveAvgPool2d", Json::Object{{"output_size", output_size.describe()}}};
}

template <class T>
void Pool2d<T>::read_window(Options& options, Extent dilation) {
  kernel_ = options.extent("kernel_size");
  stride_ = options.extent("stride", kernel_);
  padding_ = options.padding("padding", false);
  ceil_ = options.flag("ceil_mode", false);
  dilation_ = dilation;
  check_padding(operation_, "high", padding_.top, kernel_.height);
  check_padding(operation_, "wide", padding_.left, kernel_.width);
}

template <class T>
PoolSizes Pool2d<T>::sizes(const Shape& input, std::size_t batch) const {
  check_map(operation_, input);
  const Padding& p = padding_;
  const AxisOptions high{input[1], kernel_.height, stride_.height, dilation_.height, p.top, p.bottom, ceil_};
  const AxisOptions wide{input[2], kernel_.width, stride_.width, dilation_.width, p.left, p.right, ceil_};
  check_seen(operation_, "high", high);
  check_seen(operation_, "wide", wide);
  return {batch, sliding_axis(operation_, "high", high), sliding_axis(operation_, "wide", wide), input[0]};
}

template <class T>
Shape Pool2d<T>::output_shape(const Shape& input) const {
  const PoolSizes s = sizes(input, 1);
  return {s.channels, s.height.out, s.width.out};
}

template <class T>
MaxPool2d<T>::MaxPool2d(const Json& values) : Pool2d<T>("max_pool2d") {
  Options options(this->operation_, values);
  this->read_window(options, options.extent("dilation", 1));
  options.finish();
}

template <class T>
void MaxPool2d<T>::forward(Context& context, const ForwardArgs<T>& a) const {
  a.kernels.max_pool_forward(context, this->sizes(a.input_shape[0], a.batch), a.x[0], a.y);
}

template <class T>
void MaxPool2d<T>::backward(Context& context, const BackwardArgs<T>& a) const {
  if (!a.grad_x[0]) return;
  a.kernels.max_pool_backward(context, this->sizes(a.input_shape[0], a.batch), a.x[0], a.y, a.grad_y,
                              a.grad_x[0]);
}

template <class T>
void AveragePool<T>::forward(Context& context, const ForwardArgs<T>& a) const {
  a.kernels.average_pool_forward(context, this->sizes(a.input_shape[0], a.batch), kind_, a.x[0], a.y);
}

template <class T>
void AveragePool<T>::backward(Context& context, const BackwardArgs<T>& a) const {
  if (!a.grad_x[0]) return;
  a.kernels.average_pool_backward(context, this->sizes(a.input_shape[0], a.batch), kind_, a.grad_y,
                                  a.grad_x[0]);
}

template <class T>
AvgPool2d<T>::AvgPool2d(const Json& values) : AveragePool<T>("avg_pool2d") {
  Options options(this->operation_, values);
  this->read_window(options);
  const bool with_padding = options.flag("count_include_pad", true);
  this->kind_ = with_padding ? AverageKind::kWithPadding : AverageKind::kWithoutPadding;
  options.finish();
}

template <class T>
AdaptiveAvgPool2d<T>::AdaptiveAvgPool2d(const Json& values) : AveragePool<T>("adaptive_avg_pool2d") {
  Options options(this->operation_, values);
  output_ = options.extent("output_size");
  this->kind_ = AverageKind::kAdaptive;
  options.finish();
}

template <class T>
PoolSizes AdaptiveAvgPool2d<T>::sizes(const Shape& input, std::size_t batch) const {
  check_map(this->operation_, input);
  checked_product(this->operation_, input[1], output_.height);  // the kernels multiply them
  checked_product(this->operation_, input[2], output_.width);
  return {batch, {input[1], output_.height, 1, 1, 1, 0}, {input[2], output_.width, 1, 1, 1, 0}, input[0]};
}

template class MaxPool2d<float>;
template class MaxPool2d<double>;
template class AvgPool2d<float>;
template class AvgPool2d<double>;
template class AdaptiveAvgPool2d<float>;
template class AdaptiveAvgPool2d<double>;

}  // namespace bpnet
