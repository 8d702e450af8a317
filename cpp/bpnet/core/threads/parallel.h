// Work on several threads. Only core/threads uses threads.
//
// The caller cuts its work into chunks that depend on shapes alone and each chunk writes its own
// result, so the bits are the same for every number of threads and every threading layer.
#pragma once

#include <cstddef>
#include <string_view>

namespace bpnet {

// What runs the chunks. `automatic`, which is called "auto", is the default: OpenMP where it is built and
// until its callers have waited too long for its team, then the pool; the pool where OpenMP is not built.
enum class Threading { automatic, openmp, pool, serial };

// BPNET_THREADING=auto|openmp|pool|serial does the same for a process that calls none of these. Throws
// DeviceError where the layer is not in this build, and for OpenMP in the child of a fork().
void set_threading(Threading layer);
Threading threading();  // the layer in use, never `automatic`
Threading threading_named(std::string_view name);
const char* name_of(Threading layer);

// How many threads the next parallel_for of this thread uses. In this order: set_num_threads,
// BPNET_NUM_THREADS, omp_set_num_threads of this thread (threadpoolctl calls it), OMP_NUM_THREADS, and what
// affinity and cgroup allow. 1 where only the serial layer is built.
int num_threads();
int default_num_threads();        // that of BPNET_NUM_THREADS, OMP_NUM_THREADS, affinity and cgroup
void set_num_threads(int count);  // honoured as given, even above the number of processors
bool has_threads();               // false when built without threads

void start_threads();  // so that the first parallel_for need not

// Calls function(index, argument) once for every index in 0 … count−1, in any order, and returns when all are
// done. The functions must not throw. Nested and simultaneous calls run serially, as do those from within a
// parallel region of the application. Within an Interruptible (core/threads/interrupt.h) chunks may be
// skipped. Where BPNET_THREADING names a layer that is not built (DeviceError), or none (ValueError), every
// call throws until set_threading.
void parallel_for(std::size_t count, void (*function)(std::size_t index, void* argument), void* argument);

}  // namespace bpnet
