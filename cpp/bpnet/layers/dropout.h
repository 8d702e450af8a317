#pragma once

#include "bpnet/layers/layer.h"

namespace bpnet {

// m is 0 with probability p, else 1. Scaled "training": in training y = x m / (1 − p), otherwise y = x (the
// inverted form); scaled "test": in training y = x m, otherwise y = (1 − p) x. (Hinton et al. 2012,
// Srivastava et al. 2014.)
LayerSpec dropout(double p = 0.5, const std::string& scale_at = "training");

template <class T>
class Dropout : public Layer<T> {
 public:
  explicit Dropout(const Json& options);
  Shape output_shape(const Shape& input) const override { return input; }
  std::size_t saved_size(const Shape& input, std::size_t batch) const override;
  void forward(Context&, const ForwardArgs<T>&) const override;
  void backward(Context&, const BackwardArgs<T>&) const override;
  Layout layout() const override { return Layout::kAny; }
  bool backward_needs_x() const override { return false; }
  bool backward_needs_y() const override { return false; }

 private:
  double p_;
  bool scale_at_test_;
};

}  // namespace bpnet
