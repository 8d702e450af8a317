// Two threads of a launch that touch the same byte, at least one to write it, with nothing between them that
// orders the two; reads of bytes that were not written; and any of the host's memory: found where the
// kernels are compiled with BPNET_RACES=ON, in whatever order the threads run. races_none.cpp else.
#pragma once

#include <cstddef>

namespace cuda_on_cpu {

// What threads.cpp reports: this processor's thread begins or ends a launch; a block begins; all threads of
// the block have met; the lanes of a warp, whose first thread is `first`, have met at
// __syncwarp.
void launch_begins();
void launch_ends();
void block_begins();
void block_met();
void lanes_met(unsigned first, unsigned lanes);

// What memory.cpp and operations.cpp tell of a GPU's memory.
void array_begins(const void* begin, std::size_t bytes);
void array_ends(const void* begin);
void array_written(const void* to, std::size_t bytes);  // by a copy, or set

}  // namespace cuda_on_cpu
