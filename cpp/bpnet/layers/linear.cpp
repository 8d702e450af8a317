#include "bpnet/layers/linear.h"

#include "bpnet/core/error.h"
#include "bpnet/layers/options.h"

namespace bpnet {

LayerSpec linear(std::size_t out_features, const LinearOptions& options) {
  LayerSpec spec{"Linear", {}};
  spec.options.set("out_features", out_features);
  spec.options.set("bias", options.bias);
  spec.options.set("init", options.init.describe());
  spec.options.set("bias_init", options.bias_init.describe());
  return spec;
}

template <class T>
Linear<T>::Linear(const Json& values) {
  Options options("linear", values);
  out_features_ = options.size("out_features");
  options_.bias = options.flag("bias", true);
  options_.init = options.init("init", Init::fan_in());
  options_.bias_init = options.init("bias_init", Init::fan_in());
  options.finish();
}

template <class T>
Shape Linear<T>::output_shape(const Shape& input) const {
  if (input.rank() != 1) {
    fail<ShapeError>("linear: input has shape ", input,
                     ", a flat one like (features,) is needed; put a "
                     "Flatten before it");
  }
  return {out_features_};
}

template <class T>
std::vector<ParameterSpec> Linear<T>::parameters(const Shape& input) const {
  const Fans fans{input[0], out_features_};
  std::vector<ParameterSpec> specs{{"weight", {out_features_, input[0]}, options_.init, fans}};
  if (options_.bias) specs.push_back({"bias", {out_features_}, options_.bias_init, fans});
  return specs;
}

template <class T>
std::size_t Linear<T>::workspace_size(const Kernels<T>& kernels, const Shape& input,
                                      std::size_t batch) const {
  return kernels.linear_workspace({batch, input[0], out_features_});
}

template <class T>
std::size_t Linear<T>::prepared_size(const Preparation<T>& by, const Shape& input) const {
  return by.linear_size({1, input[0], out_features_});
}

template <class T>
void Linear<T>::prepare(Context& context, const Preparation<T>& by, const Shape& input, T* const* parameters,
                        unsigned char* prepared) const {
  by.linear(context, {1, input[0], out_features_}, parameters[0], prepared);
}

template <class T>
void Linear<T>::forward(Context& context, const ForwardArgs<T>& a) const {
  const LinearSizes sizes{a.batch, a.input_shape[0][0], out_features_};
  const T* bias = options_.bias ? a.parameters[1] : nullptr;
  if (a.prepared) {
    a.preparation->linear_forward(context, sizes, a.x[0], a.prepared, bias, a.activation, a.y);
  } else {
    a.kernels.linear_forward(context, sizes, a.x[0], a.parameters[0], bias, a.activation, a.y);
  }
}

template <class T>
void Linear<T>::backward(Context& context, const BackwardArgs<T>& a) const {
  const LinearSizes sizes{a.batch, a.input_shape[0][0], out_features_};
  if (!a.frozen) {
    T* grad_bias = options_.bias ? a.grad_parameters[1] : nullptr;
    a.kernels.linear_backward_weight(context, sizes, a.x[0], a.grad_y, a.grad_parameters[0], grad_bias,
                                     a.accumulate);
  }
  if (a.grad_x[0]) a.kernels.linear_backward_input(context, sizes, a.grad_y, a.parameters[0], a.grad_x[0]);
}

template class Linear<float>;
template class Linear<double>;

}  // namespace bpnet
