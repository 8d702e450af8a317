// The choices that a GPU is free to make, seeded by BPNET_CUDA_ON_CPU_SEED.
#pragma once

#include <cstdint>

namespace cuda_on_cpu {

std::uint32_t chance(std::uint32_t below);  // one of 0 … below - 1; below > 0

}  // namespace cuda_on_cpu
