#pragma once

#include "bpnet/layers/layer.h"
#include "bpnet/layers/options.h"

namespace bpnet {

struct Conv2dOptions {
  Extent kernel_size;
  Extent stride = 1;
  Padding padding = 0;
  Extent dilation = 1;
  std::size_t groups = 1;
  bool bias = true;
  Init init = Init::fan_in();
  Init bias_init = Init::fan_in();
};

// y (out_channels, out height, out width) from x (channels, height, width), each output channel reading the
// channels of its group: y_c = Σ_j x_j ⋆ W_cj + b_c, with W of shape (out_channels, channels/groups, kernel
// height, kernel width). Out height = ⌊(height + top + bottom − dilation (kernel − 1) − 1) / stride⌋ + 1.
LayerSpec conv2d(std::size_t out_channels, const Conv2dOptions& options);

template <class T>
class Conv2d : public Layer<T> {
 public:
  explicit Conv2d(const Json& options);
  Shape output_shape(const Shape& input) const override;
  std::vector<ParameterSpec> parameters(const Shape& input) const override;
  std::size_t workspace_size(const Kernels<T>&, const Shape& input, std::size_t batch) const override;
  std::size_t prepared_size(const Preparation<T>&, const Shape& input) const override;
  void prepare(Context&, const Preparation<T>&, const Shape& input, T* const* parameters,
               unsigned char* prepared) const override;
  void forward(Context&, const ForwardArgs<T>&) const override;
  void backward(Context&, const BackwardArgs<T>&) const override;
  bool takes_activation() const override { return true; }
  Layout layout() const override { return Layout::kChannelsLast; }
  bool backward_needs_y() const override { return false; }

 private:
  ConvolutionSizes sizes(const Shape& input, std::size_t batch) const;

  std::size_t out_channels_;
  Conv2dOptions options_;
};

}  // namespace bpnet
