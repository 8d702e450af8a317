// The names of errors.
#pragma once

#include <cuda_runtime.h>

namespace cuda_on_cpu {

cudaError_t error_named(const char* name);  // dies where none is called so

}  // namespace cuda_on_cpu
