// The elementwise activations, and Softmax over the features.
#pragma once

#include "bpnet/layers/layer.h"

namespace bpnet {

LayerSpec tanh();
LayerSpec relu();
LayerSpec leaky_relu(double negative_slope = 0.01);
LayerSpec sigmoid();
LayerSpec softplus(double beta = 1);
LayerSpec gelu(const std::string& approximate = "none");  // "none" or "tanh"
LayerSpec silu();
LayerSpec softmax();

// True when θ' can be computed from θ(s) alone, so that s need not be kept.
bool derivative_from_output(ActivationKind kind);

// y = θ(x), elementwise
template <class T>
class Elementwise : public Layer<T> {
 public:
  explicit Elementwise(Activation activation) : activation_(activation) {}
  Shape output_shape(const Shape& input) const override { return input; }
  void forward(Context&, const ForwardArgs<T>&) const override;
  void backward(Context&, const BackwardArgs<T>&) const override;
  std::optional<Activation> activation() const override { return activation_; }
  Layout layout() const override { return Layout::kAny; }
  bool backward_needs_x() const override { return !derivative_from_output(activation_.kind); }

 private:
  Activation activation_;
};

// One factory per layer of the list: reads the options, returns the activation.
Activation tanh_options(const Json&);
Activation relu_options(const Json&);
Activation leaky_relu_options(const Json&);
Activation sigmoid_options(const Json&);
Activation softplus_options(const Json&);
Activation gelu_options(const Json&);
Activation silu_options(const Json&);

// y_j = exp(x_j) / Σ_k exp(x_k) over the features of a flat input
template <class T>
class Softmax : public Layer<T> {
 public:
  explicit Softmax(const Json& options);
  Shape output_shape(const Shape& input) const override;
  void forward(Context&, const ForwardArgs<T>&) const override;
  void backward(Context&, const BackwardArgs<T>&) const override;
  bool backward_needs_x() const override { return false; }
};

}  // namespace bpnet
