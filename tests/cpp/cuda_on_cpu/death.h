// Behaviour that is undefined on a GPU ends the process here.
#pragma once

namespace cuda_on_cpu {

// "cuda-on-cpu: …" on stderr, and abort().
[[noreturn]] __attribute__((format(printf, 1, 2))) void die(const char* format, ...);

}  // namespace cuda_on_cpu
