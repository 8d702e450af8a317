#include "bpnet/layers/activation.h"

#include "bpnet/core/error.h"
#include "bpnet/layers/options.h"

namespace bpnet {

LayerSpec tanh() { return {"Tanh", {}}; }
LayerSpec relu() { return {"ReLU", {}}; }
LayerSpec leaky_relu(double negative_slope) {
  return {"LeakyReLU", Json::Object{{"negative_slope", negative_slope}}};
}
LayerSpec sigmoid() { return {"Sigmoid", {}}; }
LayerSpec softplus(double beta) { return {"Softplus", Json::Object{{"beta", beta}}}; }
LayerSpec gelu(const std::string& approximate) {
  return {"GELU", Json::Object{{"approximate", approximate}}};
}
LayerSpec silu() { return {"SiLU", {}}; }
LayerSpec softmax() { return {"Softmax", {}}; }

static Activation without_options(const char* operation, const Json& values, ActivationKind kind) {
  Options(operation, values).finish();
  return {kind, 0};
}

Activation tanh_options(const Json& values) { return without_options("tanh", values, ActivationKind::kTanh); }
Activation relu_options(const Json& values) { return without_options("relu", values, ActivationKind::kRelu); }
Activation sigmoid_options(const Json& values) {
  return without_options("sigmoid", values, ActivationKind::kSigmoid);
}
Activation silu_options(const Json& values) { return without_options("silu", values, ActivationKind::kSilu); }

Activation leaky_relu_options(const Json& values) {
  Options options("leaky_relu", values);
  // Not negative: the derivative is found from the output's sign.
  const double slope = options.number("negative_slope", 0.01, 0, 1e30);
  options.finish();
  return {ActivationKind::kLeakyRelu, slope};
}

Activation softplus_options(const Json& values) {
  Options options("softplus", values);
  const double beta = options.number("beta", 1, 1e-6, 1e6);
  options.finish();
  return {ActivationKind::kSoftplus, beta};
}

Activation gelu_options(const Json& values) {
  Options options("gelu", values);
  const bool by_tanh = options.choice("approximate", {"none", "tanh"}) == "tanh";
  options.finish();
  return {by_tanh ? ActivationKind::kGeluTanh : ActivationKind::kGelu, 0};
}

bool derivative_from_output(ActivationKind kind) {
  return kind != ActivationKind::kGelu && kind != ActivationKind::kGeluTanh && kind != ActivationKind::kSilu;
}

template <class T>
void Elementwise<T>::forward(Context& context, const ForwardArgs<T>& a) const {
  a.kernels.activation_forward(context, activation_, a.batch * a.input_shape[0].count(), a.x[0], a.y);
}

template <class T>
void Elementwise<T>::backward(Context& context, const BackwardArgs<T>& a) const {
  if (!a.grad_x[0]) return;
  a.kernels.activation_backward(context, activation_, a.batch * a.input_shape[0].count(), a.x[0], a.y,
                                a.grad_y, a.grad_x[0]);
}

template <class T>
Softmax<T>::Softmax(const Json& options) {
  Options("softmax", options).finish();
}

template <class T>
Shape Softmax<T>::output_shape(const Shape& input) const {
  if (input.rank() != 1) {
    fail<ShapeError>("softmax: input has shape ", input, ", a flat one like (features,) is needed");
  }
  return input;
}

template <class T>
void Softmax<T>::forward(Context& context, const ForwardArgs<T>& a) const {
  a.kernels.softmax_forward(context, a.batch, a.input_shape[0][0], a.x[0], a.y);
}

template <class T>
void Softmax<T>::backward(Context& context, const BackwardArgs<T>& a) const {
  if (a.grad_x[0])
    a.kernels.softmax_backward(context, a.batch, a.input_shape[0][0], a.y, a.grad_y, a.grad_x[0]);
}

template class Elementwise<float>;
template class Elementwise<double>;
template class Softmax<float>;
template class Softmax<double>;

}  // namespace bpnet
