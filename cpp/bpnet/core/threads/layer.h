// A threading layer, and those of this build.
#pragma once

#include <cstddef>

#include "bpnet/core/threads/parallel.h"

namespace bpnet {

class Waits;

struct ThreadingLayer {
  using Function = void (*)(std::size_t index, void* argument);

  Threading kind;
  void (*start)(int threads);  // creates the threads that run() would create
  // As parallel_for, with `threads` threads, the caller being one. OpenMP reports to `waits`, unless null,
  // how long the caller waited.
  void (*run)(std::size_t count, Function function, void* argument, int threads, Waits* waits);
};

const ThreadingLayer* openmp_layer();  // null where it is not built
const ThreadingLayer* pool_layer();    // null where it is not built
const ThreadingLayer* serial_layer();

// The number by omp_set_num_threads in this thread, or else by OMP_NUM_THREADS, affinity and cgroup; 0 where
// OpenMP is not built.
int openmp_num_threads();

}  // namespace bpnet
