// Every choice that a GPU makes by itself: BPNET_CUDA_ON_CPU_SEED says which.
#pragma once

#include <cstdint>

namespace cuda_on_cpu {

std::uint32_t chance(std::uint32_t below);  // one of 0 … below - 1; below > 0

}  // namespace cuda_on_cpu
