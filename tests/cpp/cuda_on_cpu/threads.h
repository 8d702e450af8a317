// A launch: its blocks one after another, the threads of a block in a random order, each until it waits.
#pragma once

#include <string>

#include <cuda_runtime.h>

namespace cuda_on_cpu {

struct Launch {
  dim3 grid, block;
  std::size_t shared = 0;
  Kernel kernel;
};

void run(const Launch& launch);

const Kernel& running_kernel();
unsigned running_index();  // of the running thread, in its block

// "thread (1, 0, 0) of block (7, 0, 0) of …", or "" while no kernel runs.
std::string running_thread();

}  // namespace cuda_on_cpu
