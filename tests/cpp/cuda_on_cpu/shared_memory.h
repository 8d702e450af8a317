// The shared memory of the block that runs.
#pragma once

#include <cstddef>

namespace cuda_on_cpu {

// Bytes, as on a GPU of compute capability 8.0: of any launch, and of one whose kernel asked by
// cudaFuncSetAttribute.
constexpr std::size_t kFreeShared = 48 * 1024, kMostShared = 163 * 1024;

const void* shared_begin();
void open_shared(std::size_t bytes);  // so much of it may be used by the launch that begins
void fill_shared();                   // with garbage, before a block
void check_shared();                  // dies where the block wrote beyond it

}  // namespace cuda_on_cpu
