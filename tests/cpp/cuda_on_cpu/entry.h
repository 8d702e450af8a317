// The entry of every function of the runtime: one caller at a time, counted, failing where a test injects it,
// refused after an error that a GPU does not recover from.
#pragma once

#include <cuda_runtime.h>

#include <mutex>

namespace cuda_on_cpu {

std::recursive_mutex& runtime_mutex();

// The error to return without doing anything, else cudaSuccess. Counts the call.
cudaError_t begin_call(const char* name, bool despite_failure);
cudaError_t end_call(cudaError_t result);  // stores it for cudaGetLastError
cudaError_t last_error(bool reset);
// Counts a kernel launch; false if it is to fail.
bool begin_kernel(int device);

// With `despite_failure` also where the current GPU has failed permanently.
template <class Body>
cudaError_t call(const char* name, const Body& body, bool despite_failure = false) {
  const std::lock_guard<std::recursive_mutex> lock(runtime_mutex());
  const cudaError_t refused = begin_call(name, despite_failure);
  return end_call(refused == cudaSuccess ? body() : refused);
}

}  // namespace cuda_on_cpu
