#pragma once

#include "bpnet/layers/layer.h"

namespace bpnet {

// (c, h, w) → (c·h·w,), in that order. It moves no data.
LayerSpec flatten();

template <class T>
class Flatten : public Layer<T> {
 public:
  explicit Flatten(const Json& options);
  Shape output_shape(const Shape& input) const override { return {input.count()}; }
  bool is_view() const override { return true; }
  void forward(Context&, const ForwardArgs<T>&) const override {}  // never called: the plan reshapes
  void backward(Context&, const BackwardArgs<T>&) const override {}
};

}  // namespace bpnet
