// The contents of unwritten memory, and of the bytes around arrays.
#pragma once

#include <cstddef>

namespace cuda_on_cpu {

void fill_garbage(void* memory, std::size_t bytes);  // NaN as float and double, huge as an index
void fill_canary(void* memory, std::size_t bytes);   // NaN too, of another pattern
// The offset of the first byte that is no longer the canary's, or `bytes`.
std::size_t first_changed(const void* memory, std::size_t bytes);

}  // namespace cuda_on_cpu
