// Detects, where the kernels are compiled with BPNET_RACES=ON and in whatever order the threads run:
// unordered accesses of two threads of a launch to the same byte, at least one of them a write; reads of
// unwritten bytes; accesses to the host's memory. races_none.cpp otherwise.
#pragma once

#include <cstddef>

namespace cuda_on_cpu {

// Reports of threads.cpp: this processor's thread begins or ends a launch; a block begins; all threads of the
// block have passed a barrier; the lanes of a warp, whose first thread is `first`, have passed __syncwarp.
void launch_begins();
void launch_ends();
void block_begins();
void block_met();
void lanes_met(unsigned first, unsigned lanes);

// Reports of memory.cpp and operations.cpp on a GPU's memory.
void array_begins(const void* begin, std::size_t bytes);
void array_ends(const void* begin);
void array_written(const void* to, std::size_t bytes);  // by a copy, or set

}  // namespace cuda_on_cpu
