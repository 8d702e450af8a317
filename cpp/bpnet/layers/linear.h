#pragma once

#include "bpnet/layers/layer.h"

namespace bpnet {

struct LinearOptions {
  bool bias = true;
  Init init = Init::fan_in();
  Init bias_init = Init::fan_in();
};

// y = x Wᵀ + b, with W of shape (out_features, in_features). in_features is inferred.
LayerSpec linear(std::size_t out_features, const LinearOptions& options = {});

template <class T>
class Linear : public Layer<T> {
 public:
  explicit Linear(const Json& options);
  Shape output_shape(const Shape& input) const override;
  std::vector<ParameterSpec> parameters(const Shape& input) const override;
  std::size_t workspace_size(const Kernels<T>&, const Shape& input, std::size_t batch) const override;
  std::size_t prepared_size(const Preparation<T>&, const Shape& input) const override;
  void prepare(Context&, const Preparation<T>&, const Shape& input, T* const* parameters,
               unsigned char* prepared) const override;
  void forward(Context&, const ForwardArgs<T>&) const override;
  void backward(Context&, const BackwardArgs<T>&) const override;
  bool takes_activation() const override { return true; }
  bool backward_needs_y() const override { return false; }

 private:
  std::size_t out_features_;
  LinearOptions options_;
};

}  // namespace bpnet
