// A threading layer, and those of this build.
#pragma once

#include <cstddef>

#include "bpnet/core/threads/parallel.h"

namespace bpnet {

class Waits;

struct ThreadingLayer {
  using Function = void (*)(std::size_t index, void* argument);

  Threading kind;
  void (*start)(int threads);  // makes the threads that run() would make
  // As parallel_for, with `threads` threads, the caller being one. OpenMP tells `waits`, where there are any,
  // how long the caller waited.
  void (*run)(std::size_t count, Function function, void* argument, int threads, Waits* waits);
};

const ThreadingLayer* openmp_layer();  // null where it is not built
const ThreadingLayer* pool_layer();    // null where it is not built
const ThreadingLayer* serial_layer();

// What omp_set_num_threads says in this thread, or else what OMP_NUM_THREADS, affinity and cgroup do; 0 where
// OpenMP is not built.
int openmp_num_threads();

}  // namespace bpnet
