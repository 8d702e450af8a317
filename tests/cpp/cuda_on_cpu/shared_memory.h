// The shared memory of the running block.
#pragma once

#include <cstddef>

namespace cuda_on_cpu {

// Bytes, as on a GPU of compute capability 8.0: of any launch, and of one whose kernel requested more by
// cudaFuncSetAttribute.
constexpr std::size_t kFreeShared = 48 * 1024, kMostShared = 163 * 1024;

const void* shared_begin();
void open_shared(std::size_t bytes);  // limits it for the launch that begins
void fill_shared();                   // with garbage, before a block
void check_shared();                  // ends the process where the block wrote beyond it

}  // namespace cuda_on_cpu
