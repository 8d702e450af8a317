// Launches: arguments are copied at the call.
#pragma once

#include <memory>
#include <type_traits>

#include "cuda_on_cpu/types.h"

struct cudaLaunchAttribute {
  int id;
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  cudaLaunchAttribute* attrs = nullptr;
  unsigned numAttrs = 0;
};

namespace cuda_on_cpu {

struct Kernel {
  const void* function;
  const char* signature;
  std::shared_ptr<const void> body;  // the function with its arguments
  std::size_t bytes;                 // of it
  void (*run)(const void* body);     // what each thread does
};
cudaError_t launch(const cudaLaunchConfig_t& config, Kernel kernel);
cudaError_t set_attribute(const void* function, cudaFuncAttribute attribute, int value);

}  // namespace cuda_on_cpu

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  static_assert((std::is_trivially_copyable_v<Parameters> && ...),
                "a kernel's parameters are copied as bytes");
  static_assert((sizeof(Parameters) + ... + 0) <= 4096, "CUDA allows 4 KB of parameters");
  const auto body = [=] { kernel(static_cast<Parameters>(arguments)...); };
  using Body = std::remove_const_t<decltype(body)>;
  return cuda_on_cpu::launch(
      *config, {reinterpret_cast<const void*>(kernel), __PRETTY_FUNCTION__, std::make_shared<Body>(body),
                sizeof(Body), [](const void* stored) { (*static_cast<const Body*>(stored))(); }});
}

template <class... Parameters>
cudaError_t cudaFuncSetAttribute(void (*kernel)(Parameters...), cudaFuncAttribute attribute, int value) {
  return cuda_on_cpu::set_attribute(reinterpret_cast<const void*>(kernel), attribute, value);
}
