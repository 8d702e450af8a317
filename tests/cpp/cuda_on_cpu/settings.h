// Environment variables.
#pragma once

#include <cstdint>

namespace cuda_on_cpu {

// The number in the variable, or `otherwise` where it is not set. Ends the process for other values.
std::uint64_t setting(const char* variable, std::uint64_t otherwise);

}  // namespace cuda_on_cpu
