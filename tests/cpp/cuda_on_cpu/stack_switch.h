// Switches between stacks.
#pragma once

#include <cstddef>

namespace cuda_on_cpu {

// The entry of body() on a new stack. It never returns.
void* new_stack(void* stack, std::size_t bytes, void (*body)());
// Stores the current context in `*here` and continues `there`.
void switch_stack(void** here, void* there);

}  // namespace cuda_on_cpu
