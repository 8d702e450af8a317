// Code that stops on one stack while code on another continues.
#pragma once

#include <cstddef>

namespace cuda_on_cpu {

// Where body() begins, on a stack of its own. It never returns.
void* first_place(void* stack, std::size_t bytes, void (*body)());
// Stops here, where `*here` says later, and continues `there`.
void switch_place(void** here, void* there);

}  // namespace cuda_on_cpu
