#pragma once

#include "bpnet/layers/layer.h"

namespace bpnet {

struct LocalResponseNormOptions {
  double alpha = 1e-4, beta = 0.75, k = 1;
  std::size_t groups = 1;   // of channels, each normalised separately
  bool within_map = false;  // over a size × size window of one channel
};

// y_c = x_c (k + alpha / size · Σ_j x_j²)^−beta over the channels j = c − ⌊size/2⌋ … c + ⌊(size−1)/2⌋ of c's
// group; within a map alpha / size² and a window of positions instead. (Krizhevsky et al. 2012, section 3.3,
// whose alpha is this one divided by size.)
LayerSpec local_response_norm(std::size_t size, const LocalResponseNormOptions& options = {});

struct BatchNormOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  // none: 1 / the batches so far
  bool affine = true;
};

// y = (x − mean) / √(variance + eps) · weight + bias, of each feature, or channel of a map. In training mean
// and variance are the batch's and running ones follow: running = (1 − momentum) running + momentum · (the
// batch's, its variance divided by count − 1). Otherwise they are the running ones. (Ioffe and Szegedy 2015.)
LayerSpec batch_norm1d(const BatchNormOptions& options = {});  // of (features,) or (channels, length)
LayerSpec batch_norm2d(const BatchNormOptions& options = {});  // of (channels, height, width)

template <class T>
class LocalResponseNorm : public Layer<T> {
 public:
  explicit LocalResponseNorm(const Json& options);
  Shape output_shape(const Shape& input) const override;
  std::size_t workspace_size(const Kernels<T>&, const Shape& input, std::size_t batch) const override;
  void forward(Context&, const ForwardArgs<T>&) const override;
  void backward(Context&, const BackwardArgs<T>&) const override;
  Layout layout() const override { return Layout::kChannelsLast; }
  bool backward_needs_y() const override { return false; }
  bool takes_relu_slope() const override { return true; }

  LocalResponseSizes sizes(const Shape& input, std::size_t batch) const;

 private:
  std::size_t size_;
  LocalResponseNormOptions options_;
};

template <class T>
class BatchNorm : public Layer<T> {
 public:
  Shape output_shape(const Shape& input) const override;
  std::vector<ParameterSpec> parameters(const Shape& input) const override;
  std::vector<BufferSpec> buffers(const Shape& input) const override;
  // The mean and variance for backward; for a frozen layer 0 and the running variance.
  std::size_t saved_size(const Shape& input, std::size_t batch) const override;
  std::size_t least_batch(const Shape& input) const override;
  bool mixes_samples() const override { return true; }  // more than one value per channel
  std::size_t workspace_size(const Kernels<T>&, const Shape& input, std::size_t batch) const override;
  void forward(Context&, const ForwardArgs<T>&) const override;
  void backward(Context&, const BackwardArgs<T>&) const override;
  Layout layout() const override { return Layout::kChannelsLast; }
  bool backward_needs_y() const override { return false; }
  bool takes_activation() const override { return true; }

 protected:
  BatchNorm(const char* operation, std::size_t least_rank, std::size_t most_rank, const Json& options);

 private:
  BatchNormArgs<T> args(const Shape& input, std::size_t batch, const T* x, T* const* parameters) const;

  const char* operation_;
  std::size_t least_rank_, most_rank_;
  BatchNormOptions options_;
};

template <class T>
class BatchNorm1d : public BatchNorm<T> {
 public:
  explicit BatchNorm1d(const Json& options) : BatchNorm<T>("batch_norm1d", 1, 2, options) {}
};

template <class T>
class BatchNorm2d : public BatchNorm<T> {
 public:
  explicit BatchNorm2d(const Json& options) : BatchNorm<T>("batch_norm2d", 3, 3, options) {}
};

}  // namespace bpnet
