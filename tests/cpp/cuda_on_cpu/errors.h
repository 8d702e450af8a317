// The names of errors.
#pragma once

#include <cuda_runtime.h>

namespace cuda_on_cpu {

cudaError_t error_named(const char* name);  // ends the process for an unknown name

}  // namespace cuda_on_cpu
