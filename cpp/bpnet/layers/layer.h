// The interface of a layer: a pure description over slices of flat arrays. A layer owns no numbers; the
// network passes its parameters, its gradients, and memory of the size that the layer requested.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bpnet/core/shape.h"
#include "bpnet/kernels/kernels.h"
#include "bpnet/kernels/preparation.h"
#include "bpnet/layers/init.h"
#include "bpnet/layers/spec.h"

namespace bpnet {

// How the (channels, height, width) or (channels, length) activations that a layer reads and writes are
// stored in memory. Their shapes are (C, H, W) in both cases. Flat activations have only one layout.
enum class Layout {
  kAny,           // the layer accepts both
  kPlain,         // C, H, W: the layout for users
  kChannelsLast,  // H, W, C
};

struct ParameterSpec {
  std::string name;  // "weight"
  Shape shape;
  Init init;
  Fans fans;
  double rate = 1;    // multiplies the learning rate; 0: frozen
  bool decay = true;  // weight decay applies

  bool frozen() const { return rate == 0; }
};

struct BufferSpec {  // saved with the model but not trained
  std::string name;
  Shape shape;
  double value;  // at the start
};

// Sizes are those of one sample; the arrays of activations hold `batch` of them. Arrays of inputs are indexed
// by input, x[i]: most layers have one input, the last layer of a Residual or Parallel has several.
template <class T>
struct ForwardArgs {
  const Kernels<T>& kernels;
  const Shape* input_shape;
  std::size_t batch;
  bool training;
  bool frozen;           // the layer is
  std::uint32_t number;  // of the layer: the key of its random masks, with `now`
  const RandomStep* now;
  Activation activation;  // to apply to y; identity unless the layer takes_activation()
  const T* const* x;      // x[i] (batch, input i)
  T* y;                   // (batch, output)
  T* const* parameters;   // in the order of parameters()
  T* const* buffers;
  T* saved;  // saved_size() elements, kept until backward
  // The weights by prepare(), which has the kernels for them; null: they are read from parameters.
  const unsigned char* prepared = nullptr;
  const Preparation<T>* preparation = nullptr;
};

template <class T>
struct BackwardArgs {
  const Kernels<T>& kernels;
  const Shape* input_shape;
  std::size_t batch;
  const T* const* x;  // x[i] and y are null where the layer does not need them
  const T* y;
  const T* grad_y;   // by the layer's output before the fused activation
  T* const* grad_x;  // grad_x[i]: overwritten, or added to where adds[i]; null when it is not needed
  const bool* adds;  // false except for a layer that adds_to_grad_x()
  T* const* parameters;
  T* const* grad_parameters;  // overwritten, or added to with `accumulate`
  bool accumulate;
  bool frozen;  // the layer is: the gradients of its parameters are not needed
  const T* saved;
};

// `input` is the shape of the first input. A layer with several is created by the plan, which passes the
// others.
template <class T>
class Layer {
 public:
  virtual ~Layer() = default;

  virtual Shape output_shape(const Shape& input) const = 0;  // throws when the input does not fit
  virtual std::vector<ParameterSpec> parameters(const Shape&) const { return {}; }
  virtual std::vector<BufferSpec> buffers(const Shape&) const { return {}; }
  virtual std::size_t saved_size(const Shape&, std::size_t /*batch*/) const { return 0; }  // elements
  // The smallest batch that the layer can learn from.
  virtual std::size_t least_batch(const Shape&) const { return 1; }
  // Whether, in training, an output depends on the batch's other samples too.
  virtual bool mixes_samples() const { return false; }
  virtual std::size_t workspace_size(const Kernels<T>&, const Shape&, std::size_t /*batch*/) const {
    return 0;  // bytes of Context::scratch
  }

  // Parameters as the kernels multiply by them, for many forward passes with the same: their bytes, 0 where
  // there is no gain, and what makes them. It has the workspace of a batch.
  virtual std::size_t prepared_size(const Preparation<T>&, const Shape&) const { return 0; }
  virtual void prepare(Context&, const Preparation<T>&, const Shape&, T* const* /*parameters*/,
                       unsigned char* /*prepared*/) const {}

  virtual void forward(Context&, const ForwardArgs<T>&) const = 0;
  virtual void backward(Context&, const BackwardArgs<T>&) const = 0;

  virtual Layout layout() const { return Layout::kPlain; }
  // What backward reads: other memory is free after forward.
  virtual bool backward_needs_x() const { return true; }
  virtual bool backward_needs_y() const { return true; }
  // For layers with several inputs, which are processed in reverse order. grad_x[i] may be grad_y itself
  // where the layer passes_gradient().
  virtual bool adds_to_grad_x() const { return false; }    // backward uses args.adds
  virtual bool passes_gradient() const { return false; }   // the gradient by an input is that by the output
  virtual bool is_view() const { return false; }           // the output is the input, reshaped
  virtual bool takes_activation() const { return false; }  // forward applies args.activation
  // y is above 0 exactly where the x that it comes from is, and grad_x is 0 at an x of 0: ReLU's derivative
  // at x may be applied at y instead, to grad_y. Such a layer has one input and does not take an activation.
  virtual bool takes_relu_slope() const { return false; }
  virtual std::optional<Activation> activation() const { return {}; }  // set by elementwise layers
};

// Throws a ValueError for an unknown type or option.
template <class T>
std::unique_ptr<Layer<T>> make_layer(const LayerSpec& spec);

// Throws a ValueError for options that are valid for no input, also of inner layers.
void check_layer(const LayerSpec& spec);

std::vector<std::string> layer_types();  // the list of all layers

}  // namespace bpnet
