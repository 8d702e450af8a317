// y_i = function(x_i, …) over arrays, 16 bytes at a time where all of them are aligned to that.
#pragma once

#include "bpnet/kernels/cuda/launch.h"

namespace bpnet::cuda {

template <class T>
struct __align__(16) Pack {
  static constexpr size_t kCount = 16 / sizeof(T);
  T at[kCount];
};

inline bool is_packed(const void* array) { return reinterpret_cast<uintptr_t>(array) % 16 == 0; }

template <class Function, class T, class... Inputs>
__global__ void map_kernel(size_t count, size_t packs, Function function, T* y, const Inputs*... x) {
  const size_t step = size_t{gridDim.x} * blockDim.x, first = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const auto of_packs = [&](const Pack<Inputs>&... in) {
    Pack<T> out;
    for (size_t k = 0; k < Pack<T>::kCount; ++k) out.at[k] = function(in.at[k]...);
    return out;
  };
  for (size_t i = first; i < packs; i += step) {
    reinterpret_cast<Pack<T>*>(y)[i] = of_packs(reinterpret_cast<const Pack<Inputs>*>(x)[i]...);
  }
  for (size_t i = packs * Pack<T>::kCount + first; i < count; i += step) y[i] = function(x[i]...);
}

// y (count,); x: arrays of T like it, of which y may be one. Function is a struct of values with
// `__device__ T operator()(T…) const`.
template <class Function, class T, class... Inputs>
void launch_map(Context& context, size_t count, const Function& function, T* y, const Inputs*... x) {
  const size_t packs = is_packed(y) && (is_packed(x) && ...) ? count / Pack<T>::kCount : 0;
  const size_t threads = packs > 0 ? packs : count, blocks = (threads + kThreads - 1) / kThreads;
  launch(context, {blocks < kMostBlocks ? blocks : kMostBlocks}, map_kernel<Function, T, Inputs...>, count,
         packs, function, y, x...);
}

}  // namespace bpnet::cuda
