// Every kernel starts here, on its network's GPU, in the order of the calls.
#pragma once

#include <cuda_runtime.h>

#include <type_traits>

#include "bpnet/kernels/cuda/check.h"
#include "bpnet/kernels/cuda/device.h"

namespace bpnet::cuda {

constexpr unsigned kWarp = 32;              // threads that shuffle among themselves
constexpr unsigned kThreads = 256;          // of a block, by default
constexpr unsigned kMostBlocks = 1u << 16;  // of a loop over more elements than threads

struct Grid {
  size_t blocks;
  unsigned threads = kThreads;  // of a block
  size_t shared = 0;            // bytes of a block's shared memory
};

template <class... Parameters>
void launch(Context& context, const Grid& grid, void (*kernel)(Parameters...),
            std::type_identity_t<Parameters>... arguments) {
  if (grid.blocks == 0) return;
  Device& device = device_of(context);
  const Device::Lock lock(device);
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(grid.blocks));
  config.blockDim = dim3(grid.threads);
  config.dynamicSmemBytes = grid.shared;
  config.stream = device.stream();
  check("cudaLaunchKernelEx", cudaLaunchKernelEx(&config, kernel, arguments...));
}

// The limit of a block's shared memory on this GPU, in bytes.
inline size_t most_shared(const Context& context) {
  int bytes = 0;
  check("cudaDeviceGetAttribute",
        cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device_of(context).number()));
  return static_cast<size_t>(bytes);
}

// A launch with this much shared memory, which a kernel has to request beyond 48 KB. The maximum is
// requested, since a recorded launch may have had more than this one.
template <class... Parameters>
void launch_sharing(Context& context, const Grid& grid, void (*kernel)(Parameters...),
                    std::type_identity_t<Parameters>... arguments) {
  const Device::Lock lock(device_of(context));
  check("cudaFuncSetAttribute", cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                     static_cast<int>(most_shared(context))));
  launch(context, grid, kernel, arguments...);
}

template <class Body>
__global__ void each_kernel(size_t count, Body body) {
  const size_t step = size_t{gridDim.x} * blockDim.x;
  for (size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) body(i);
}

// body(i) for every i below count, in any order. Body is a struct of values and of the device's pointers with
// `__device__ void operator()(size_t i) const`.
template <class Body>
void launch_each(Context& context, size_t count, const Body& body) {
  const size_t blocks = (count + kThreads - 1) / kThreads;
  launch(context, {blocks < kMostBlocks ? blocks : kMostBlocks}, each_kernel<Body>, count, body);
}

}  // namespace bpnet::cuda
