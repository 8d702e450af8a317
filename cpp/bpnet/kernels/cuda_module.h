// The library that holds the GPU's kernels, libbpnet_cuda: built with BPNET_CUDA, loaded when a network first
// requests a GPU, so that nothing else links CUDA. kernels/cuda defines what it exports.
#pragma once

#include "bpnet/kernels/backend.h"

namespace bpnet {

struct CudaModule {
  const char* version;  // BPNET_VERSION of its build
  const char* backend;  // "cuda", or "cuda-on-cpu" of the one that tests/cpp/cuda_on_cpu builds
  int (*gpus)();        // number that the driver reports; 0 where it is unusable
  // Opens a GPU; throws a DeviceError with the driver's message.
  const Backend& (*open)(int gpu);
};

// Exported under this name.
using CudaModuleGetter = const CudaModule* (*)();
constexpr const char kCudaModuleGetter[] = "bpnet_cuda_module";

// Throws a DeviceError where there is no library (it says how to get it) or no such GPU.
const Backend& cuda_backend(int gpu);

// How many GPUs there are; 0 without the library.
int cuda_gpus();

// For tests: the library's backend, where the environment variable BPNET_CUDA_LIBRARY names the library and
// there is a GPU; else null. It is one of backends() then, and the first GPU's.
const char* listed_cuda_backend();

}  // namespace bpnet
