#pragma once

#include "bpnet/layers/layer.h"
#include "bpnet/layers/options.h"

namespace bpnet {

struct MaxPool2dOptions {
  std::optional<Extent> stride = {};  // the kernel's size
  Padding padding = 0;                // an int or (height, width), at most half the kernel
  Extent dilation = 1;                // steps between the inputs of a window
  bool ceil_mode = false;             // windows that extend beyond the lower and right edge count too
};

struct AvgPool2dOptions {
  std::optional<Extent> stride = {};
  Padding padding = 0;
  bool ceil_mode = false;
  bool count_include_pad = true;  // zeros of the padding count in the mean
};

// y = the largest x of each window
LayerSpec max_pool2d(Extent kernel_size, const MaxPool2dOptions& options = {});
// y = the mean of x over each window
LayerSpec avg_pool2d(Extent kernel_size, const AvgPool2dOptions& options = {});
// y = the mean of x over rows ⌊o height / out⌋ … ⌈(o+1) height / out⌉−1, and columns likewise
LayerSpec adaptive_avg_pool2d(Extent output_size);

// The window, shared by the three pools.
template <class T>
class Pool2d : public Layer<T> {
 public:
  Shape output_shape(const Shape& input) const override;
  Layout layout() const override { return Layout::kChannelsLast; }

  virtual PoolSizes sizes(const Shape& input, std::size_t batch) const;

 protected:
  explicit Pool2d(const char* operation) : operation_(operation) {}
  void read_window(Options& options, Extent dilation = 1);
  const char* operation_;

 private:
  Extent kernel_ = 1, stride_ = 1, dilation_ = 1;
  Padding padding_ = 0;
  bool ceil_ = false;
};

template <class T>
class MaxPool2d : public Pool2d<T> {
 public:
  explicit MaxPool2d(const Json& options);
  void forward(Context&, const ForwardArgs<T>&) const override;
  void backward(Context&, const BackwardArgs<T>&) const override;
  bool takes_relu_slope() const override { return true; }
};

template <class T>
class AveragePool : public Pool2d<T> {
 public:
  void forward(Context&, const ForwardArgs<T>&) const override;
  void backward(Context&, const BackwardArgs<T>&) const override;
  bool backward_needs_x() const override { return false; }
  bool backward_needs_y() const override { return false; }

 protected:
  using Pool2d<T>::Pool2d;
  AverageKind kind_ = AverageKind::kWithPadding;
};

template <class T>
class AvgPool2d : public AveragePool<T> {
 public:
  explicit AvgPool2d(const Json& options);
};

template <class T>
class AdaptiveAvgPool2d : public AveragePool<T> {
 public:
  explicit AdaptiveAvgPool2d(const Json& options);

 protected:
  PoolSizes sizes(const Shape& input, std::size_t batch) const override;

 private:
  Extent output_ = 1;
};

}  // namespace bpnet
