// Environment variables.
#pragma once

#include <cstdint>

namespace cuda_on_cpu {

// The number that the variable holds, or `otherwise` where it is not set. Dies where it holds something else.
std::uint64_t setting(const char* variable, std::uint64_t otherwise);

}  // namespace cuda_on_cpu
