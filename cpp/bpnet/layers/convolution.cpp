#include "bpnet/layers/convolution.h"

#include "bpnet/core/error.h"
#include "bpnet/layers/window.h"

namespace bpnet {

LayerSpec conv2d(std::size_t out_channels, const Conv2dOptions& options) {
  LayerSpec spec{"Conv2d", {}};
  spec.options.set("out_channels", out_channels);
  spec.options.set("kernel_size", options.kernel_size.describe());
  spec.options.set("stride", options.stride.describe());
  spec.options.set("padding", options.padding.describe());
  spec.options.set("dilation", options.dilation.describe());
  spec.options.set("groups", options.groups);
  spec.options.set("bias", options.bias);
  spec.options.set("init", options.init.describe());
  spec.options.set("bias_init", options.bias_init.describe());
  return spec;
}

template <class T>
Conv2d<T>::Conv2d(const Json& values) : options_{.kernel_size = 1} {
  Options options("conv2d", values);
  out_channels_ = options.size("out_channels");
  options_.kernel_size = options.extent("kernel_size");
  options_.stride = options.extent("stride", 1);
  options_.padding = options.padding("padding", true);
  options_.dilation = options.extent("dilation", 1);
  options_.groups = options.size("groups", 1);
  options_.bias = options.flag("bias", true);
  options_.init = options.init("init", Init::fan_in());
  options_.bias_init = options.init("bias_init", Init::fan_in());
  options.finish();
  if (out_channels_ % options_.groups != 0) {
    fail<ValueError>("conv2d: out_channels is ", out_channels_, ", groups is ", options_.groups,
                     ": out_channels must be divisible by groups");
  }
}

template <class T>
ConvolutionSizes Conv2d<T>::sizes(const Shape& input, std::size_t batch) const {
  check_map("conv2d", input);
  if (input[0] % options_.groups != 0) {
    fail<ShapeError>("conv2d: input has ", input[0], " channels, groups is ", options_.groups,
                     ": channels must be divisible by groups");
  }
  const Conv2dOptions& o = options_;
  return {batch,
          sliding_axis("conv2d", "high",
                       {input[1], o.kernel_size.height, o.stride.height, o.dilation.height, o.padding.top,
                        o.padding.bottom}),
          sliding_axis("conv2d", "wide",
                       {input[2], o.kernel_size.width, o.stride.width, o.dilation.width, o.padding.left,
                        o.padding.right}),
          input[0],
          out_channels_,
          o.groups};
}

template <class T>
Shape Conv2d<T>::output_shape(const Shape& input) const {
  const ConvolutionSizes s = sizes(input, 1);
  return {out_channels_, s.height.out, s.width.out};
}

template <class T>
std::vector<ParameterSpec> Conv2d<T>::parameters(const Shape& input) const {
  const Shape weight{out_channels_, input[0] / options_.groups, options_.kernel_size.height,
                     options_.kernel_size.width};
  const std::size_t window = weight[2] * weight[3];
  const Fans fans{weight[1] * window, checked_product("conv2d", out_channels_, window)};
  std::vector<ParameterSpec> specs{{"weight", weight, options_.init, fans}};
  if (options_.bias) specs.push_back({"bias", {out_channels_}, options_.bias_init, fans});
  return specs;
}

template <class T>
std::size_t Conv2d<T>::workspace_size(const Kernels<T>& kernels, const Shape& input,
                                      std::size_t batch) const {
  return kernels.convolution_workspace(sizes(input, batch));
}

template <class T>
std::size_t Conv2d<T>::prepared_size(const Preparation<T>& by, const Shape& input) const {
  return by.convolution_size(sizes(input, 1));
}

template <class T>
void Conv2d<T>::prepare(Context& context, const Preparation<T>& by, const Shape& input, T* const* parameters,
                        unsigned char* prepared) const {
  by.convolution(context, sizes(input, 1), parameters[0], prepared);
}

template <class T>
void Conv2d<T>::forward(Context& context, const ForwardArgs<T>& a) const {
  const ConvolutionSizes s = sizes(a.input_shape[0], a.batch);
  const T* bias = options_.bias ? a.parameters[1] : nullptr;
  if (a.prepared) {
    a.preparation->convolution_forward(context, s, a.x[0], a.prepared, bias, a.activation, a.y);
  } else {
    a.kernels.convolution_forward(context, s, a.x[0], a.parameters[0], bias, a.activation, a.y);
  }
}

template <class T>
void Conv2d<T>::backward(Context& context, const BackwardArgs<T>& a) const {
  const ConvolutionSizes s = sizes(a.input_shape[0], a.batch);
  if (!a.frozen) {
    T* grad_bias = options_.bias ? a.grad_parameters[1] : nullptr;
    a.kernels.convolution_backward_weight(context, s, a.x[0], a.grad_y, a.grad_parameters[0], grad_bias,
                                          a.accumulate);
  }
  if (a.grad_x[0]) a.kernels.convolution_backward_input(context, s, a.grad_y, a.parameters[0], a.grad_x[0]);
}

template class Conv2d<float>;
template class Conv2d<double>;

}  // namespace bpnet
