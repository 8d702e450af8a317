// No call of the runtime goes unchecked.
#pragma once

#include <cuda_runtime.h>

#include <new>
#include <string>

#include "bpnet/core/error.h"

namespace bpnet::cuda {

// Python's MemoryError, with the sizes.
class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::string message) : message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

// Throws a DeviceError that says what the driver said of `call`.
inline void check(const char* call, cudaError_t error) {
  if (error == cudaSuccess) return;
  fail<DeviceError>("cuda: ", call, ": ", cudaGetErrorString(error), " (", cudaGetErrorName(error), ")");
}

}  // namespace bpnet::cuda
