// Converts between the two memory layouts of (channels, height, width), or (channels, length). The plan
// inserts these between layers; users never write one.
#pragma once

#include "bpnet/layers/layer.h"

namespace bpnet {

template <class T>
class Conversion : public Layer<T> {
 public:
  explicit Conversion(Layout to) : to_(to) {}
  Shape output_shape(const Shape& input) const override { return input; }
  void forward(Context&, const ForwardArgs<T>&) const override;
  void backward(Context&, const BackwardArgs<T>&) const override;
  Layout layout() const override { return to_; }
  bool backward_needs_x() const override { return false; }
  bool backward_needs_y() const override { return false; }

 private:
  void convert(Context&, const Kernels<T>&, const Shape&, std::size_t batch, Layout to, const T* x,
               T* y) const;

  Layout to_;
};

// False where the two layouts are the same: flat shapes, one channel, one pixel.
bool layouts_differ(const Shape& shape);

}  // namespace bpnet
