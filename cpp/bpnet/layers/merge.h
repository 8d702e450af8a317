// The last layer of a Residual or a Parallel: several inputs become one output. The plan creates these
// layers; users write residual() and parallel().
#pragma once

#include "bpnet/layers/layer.h"

namespace bpnet {

// Whether a Parallel's outputs are concatenated and not added.
bool concatenates(const LayerSpec& parallel);

// y = x_0 + x_1 + …, in that order; all of one shape. grad_x_i = grad_y.
template <class T>
class Sum : public Layer<T> {
 public:
  explicit Sum(std::size_t inputs) : inputs_(inputs) {}
  Shape output_shape(const Shape& input) const override { return input; }
  void forward(Context&, const ForwardArgs<T>&) const override;
  void backward(Context&, const BackwardArgs<T>&) const override;
  Layout layout() const override { return Layout::kAny; }
  bool backward_needs_x() const override { return false; }
  bool backward_needs_y() const override { return false; }
  bool adds_to_grad_x() const override { return true; }
  bool passes_gradient() const override { return true; }
  bool takes_activation() const override { return true; }

 private:
  std::size_t inputs_;
};

// y = the channels of x_0, then those of x_1, … (of flat inputs: their features). Inputs agree in all sizes
// but the first. grad_x_i = the part of grad_y that came from x_i.
template <class T>
class Concat : public Layer<T> {
 public:
  // All inputs are stored in `layout`, and so is the output.
  Concat(const std::vector<Shape>& inputs, Layout layout);
  Shape output_shape(const Shape&) const override { return output_; }
  void forward(Context&, const ForwardArgs<T>&) const override;
  void backward(Context&, const BackwardArgs<T>&) const override;
  Layout layout() const override { return layout_; }
  bool backward_needs_x() const override { return false; }
  bool backward_needs_y() const override { return false; }
  bool adds_to_grad_x() const override { return true; }

 private:
  Layout layout_;
  Shape output_;
  std::size_t rows_;                  // of one sample: 1, or its positions where channels come last
  std::size_t columns_;               // of the output
  std::vector<std::size_t> widths_;   // columns of each input
  std::vector<std::size_t> offsets_;  // of an input's first column among the output's
};

}  // namespace bpnet
