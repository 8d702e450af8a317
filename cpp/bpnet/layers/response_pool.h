// Local response normalisation and the max pool after it as one layer, without the map between them in
// memory. The plan replaces two of the user's layers by one of these, for a backend that has the kernel.
#pragma once

#include "bpnet/layers/layer.h"
#include "bpnet/layers/normalization.h"
#include "bpnet/layers/pooling.h"

namespace bpnet {

// The two layers must outlive it.
template <class T>
class ResponsePool : public Layer<T> {
 public:
  ResponsePool(const LocalResponseNorm<T>& norm, const MaxPool2d<T>& pool) : norm_(norm), pool_(pool) {}

  // Whether there is such a kernel for these sizes.
  static bool takes(const Kernels<T>&, const LocalResponseSizes&, const PoolSizes&);

  Shape output_shape(const Shape& input) const override { return pool_.output_shape(input); }
  // A byte for each output: which of its window's inputs is the largest.
  std::size_t saved_size(const Shape& input, std::size_t batch) const override;
  std::size_t workspace_size(const Kernels<T>&, const Shape& input, std::size_t batch) const override;
  void forward(Context&, const ForwardArgs<T>&) const override;
  void backward(Context&, const BackwardArgs<T>&) const override;
  Layout layout() const override { return Layout::kChannelsLast; }
  bool backward_needs_y() const override { return false; }
  bool takes_relu_slope() const override { return true; }

 private:
  const LocalResponseNorm<T>& norm_;
  const MaxPool2d<T>& pool_;
};

}  // namespace bpnet
