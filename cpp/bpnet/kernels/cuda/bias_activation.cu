#include "bpnet/kernels/cuda/bias_activation.h"

#include "bpnet/kernels/cuda/activation_math.h"
#include "bpnet/kernels/cuda/launch.h"

namespace bpnet::cuda {
namespace {

// A thread's elements are a constant step apart, so one division serves them all.
template <class T>
__global__ void bias_activation_kernel(size_t count, size_t columns, const T* bias, Activation act, T* y) {
  const size_t step = size_t{gridDim.x} * blockDim.x, further = step % columns;
  size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  for (size_t column = i % columns; i < count; i += step) {
    y[i] = activate(act, bias ? y[i] + bias[column] : y[i]);
    column += further;
    if (column >= columns) column -= columns;
  }
}

}  // namespace

template <class T>
void add_bias_and_activate(Context& context, size_t rows, size_t columns, const T* bias,
                           const Activation& act, T* y) {
  if (!bias && act.kind == ActivationKind::kIdentity) return;
  constexpr size_t kBlocksEach = 8;  // that a multiprocessor runs at once
  const size_t count = rows * columns, needed = (count + kThreads - 1) / kThreads;
  const size_t most = static_cast<size_t>(device_of(context).multiprocessors()) * kBlocksEach;
  launch(context, {needed < most ? needed : most}, bias_activation_kernel<T>, count, columns, bias, act, y);
}

template void add_bias_and_activate(Context&, size_t, size_t, const float*, const Activation&, float*);
template void add_bias_and_activate(Context&, size_t, size_t, const double*, const Activation&, double*);

}  // namespace bpnet::cuda
