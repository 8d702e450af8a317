// Loops cut into chunks that depend on sizes alone.
#pragma once

#include "bpnet/core/threads/parallel.h"
#include "bpnet/kernels/cpu/base/sizes.h"

namespace {

// Below this many multiply-adds, or elements of an elementwise operation, threads cost more than
// they save (a parallel region takes some microseconds).
constexpr size_t kSerialProducts = size_t{1} << 19;
constexpr size_t kChunk = size_t{1} << 14;

// Not inlined: a body is compiled once, whether it runs serially or in parallel.
template <class Body>
__attribute__((noinline)) void run_task(size_t index, void* body) {
  (*static_cast<const Body*>(body))(index);
}

template <class Body>
inline void run_tasks(size_t count, bool serial, const Body& body) {  // body(index)
  void* const argument = const_cast<Body*>(&body);
  if (serial || count < 2) {
    for (size_t index = 0; index < count; ++index) run_task<Body>(index, argument);
  } else {
    bpnet::parallel_for(count, run_task<Body>, argument);
  }
}

template <class Body>
inline void run_chunks(size_t count, size_t chunk, const Body& body) {  // body(begin, end, index)
  run_tasks(ceil_divide(count, chunk), false,
            [&](size_t index) { body(index * chunk, smaller(count, (index + 1) * chunk), index); });
}

// Rows in a chunk of about kChunk elements.
inline size_t rows_per_chunk(size_t columns) { return larger(1, kChunk / larger(1, columns)); }

}  // namespace
