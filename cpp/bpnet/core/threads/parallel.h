// Work over several threads. This is the only part of bpnet that knows threads.
//
// The caller cuts its work into chunks that depend on shapes alone and each chunk writes its own
// result, so the bits are the same for every number of threads.
#pragma once

#include <cstddef>

namespace bpnet {

// What affinity and cgroup allow; BPNET_NUM_THREADS, then OMP_NUM_THREADS, override it.
int default_num_threads();
int num_threads();
void set_num_threads(int count);  // honoured as given, even above the number of processors
bool has_threads();               // false when built without threads

void start_threads();  // so that the first parallel_for need not

// Calls function(index, argument) once for every index in 0 … count−1, in any order, and returns
// when all are done. The functions must not throw. Nested and simultaneous calls run serially. Within an
// Interruptible (core/interrupt.h) chunks may be left out.
void parallel_for(std::size_t count, void (*function)(std::size_t index, void* argument), void* argument);

}  // namespace bpnet
