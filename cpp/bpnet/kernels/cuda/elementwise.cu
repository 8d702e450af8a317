#include <algorithm>
#include <cmath>

#include "bpnet/kernels/cuda/block.h"
#include "bpnet/kernels/cuda/map.h"
#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {
namespace {

struct Times {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a * b;
  }
};

template <class T>
struct Scaled {
  T factor;
  __device__ T operator()(T x) const { return factor * x; }
};

template <class T>
void multiply(Context& context, size_t count, const T* a, const T* b, T* y) {
  launch_map(context, count, Times{}, y, a, b);
}

template <class T>
void add(Context& context, size_t count, const T* a, const T* b, T* y) {
  launch_map(context, count, Plus{}, y, a, b);
}

template <class T>
void scale(Context& context, size_t count, double factor, const T* x, T* y) {
  launch_map(context, count, Scaled<T>{T(factor)}, y, x);
}

template <class T>
struct Keep {
  const uint64_t* stopped;
  const T* x;
  T* y;
  __device__ void operator()(size_t i) const {
    if (!stopped || !*stopped) y[i] = x[i];
  }
};

template <class T>
void keep(Context& context, const uint64_t* stopped, size_t count, const T* x, T* y) {
  launch_each(context, count, Keep<T>{stopped, x, y});
}

// found[b] = the first element of block b that is not finite, or count
template <class T>
__global__ void first_not_finite_kernel(size_t count, const T* x, uint64_t* found) {
  const size_t step = size_t{gridDim.x} * blockDim.x;
  size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  while (i < count && std::isfinite(x[i])) i += step;
  const size_t first = fold_block(i, Smaller{}, count, shared_memory<size_t>());
  if (threadIdx.x == 0) found[blockIdx.x] = first < count ? first : count;
}

template <class T>
size_t first_not_finite(Context& context, size_t count, const T* x) {
  if (count == 0) return 0;
  Device& device = device_of(context);
  const Device::Lock lock(device);
  const size_t blocks = std::min((count + kThreads - 1) / kThreads, Device::kAnswers);
  launch(context, {blocks, kThreads, kWarp * sizeof(size_t)}, first_not_finite_kernel<T>, count, x,
         device.answers());
  uint64_t found[Device::kAnswers];
  check("cudaMemcpyAsync", cudaMemcpyAsync(found, device.answers(), blocks * sizeof(uint64_t),
                                           cudaMemcpyDeviceToHost, device.stream()));
  device.wait();
  return *std::min_element(found, found + blocks);
}

}  // namespace

template <class T>
void set_elementwise(Kernels<T>& kernels) {
  kernels.multiply = multiply<T>;
  kernels.add = add<T>;
  kernels.scale = scale<T>;
  kernels.keep = keep<T>;
  kernels.first_not_finite = first_not_finite<T>;
}

template void set_elementwise(Kernels<float>&);
template void set_elementwise(Kernels<double>&);

}  // namespace bpnet::cuda
