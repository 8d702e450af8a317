// Every call of the runtime is checked.
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

// After `need` the message gives the GPU's memory.
[[noreturn]] inline void refuse_memory(std::string need) {
  static_cast<void>(cudaGetLastError());  // clears the error, which the next call would report again
  std::size_t free = 0, total = 0;
  if (cudaMemGetInfo(&free, &total) == cudaSuccess) {
    append_text(need, ", "), append_text(need, free);
    append_text(need, " of "), append_text(need, total), append_text(need, " bytes are free");
  }
  throw OutOfMemory("cuda: " + need + "; choose a smaller batch or network");
}

// For a call that allocates memory by itself: a library's, or a kernel's first launch.
[[noreturn]] inline void refuse_memory_of(const char* call) {
  refuse_memory(std::string(call) + ": the GPU's memory does not suffice");
}

// Throws a DeviceError with the driver's message for `call`, or OutOfMemory with the available memory.
inline void check(const char* call, cudaError_t error) {
  if (error == cudaSuccess) return;
  if (error == cudaErrorMemoryAllocation) refuse_memory_of(call);
  fail<DeviceError>("cuda: ", call, ": ", cudaGetErrorString(error), " (", cudaGetErrorName(error), ")");
}

}  // namespace bpnet::cuda
