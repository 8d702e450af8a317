// Loops cut into chunks that depend on sizes alone.
#pragma once

#include "bpnet/core/threads/parallel.h"
#include "bpnet/kernels/cpu/block_sizes.h"

namespace {

inline size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
inline size_t larger(size_t a, size_t b) { return a > b ? a : b; }
inline size_t ceil_divide(size_t a, size_t b) { return (a + b - 1) / b; }

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

// Rows that make a chunk of about kChunk elements.
inline size_t rows_per_chunk(size_t columns) { return larger(1, kChunk / larger(1, columns)); }

}  // namespace
