// Loops cut into chunks that depend on sizes alone.
#pragma once

#include "bpnet/core/parallel.h"
#include "bpnet/kernels/cpu/block_sizes.h"

namespace {

inline size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
inline size_t larger(size_t a, size_t b) { return a > b ? a : b; }
inline size_t ceil_divide(size_t a, size_t b) { return (a + b - 1) / b; }

// One copy of each body, for threads and for none: inlined twice they would be half of all the code there is.
template <class Body>
__attribute__((noinline)) void run_body(size_t index, void* body) {
  (*static_cast<const Body*>(body))(index);
}

template <class Body>
void run_tasks(size_t count, bool serial, const Body& body) {  // body(index)
  void* argument = const_cast<Body*>(&body);
  if (serial || count < 2) {
    for (size_t index = 0; index < count; ++index) run_body<Body>(index, argument);
    return;
  }
  bpnet::parallel_for(count, run_body<Body>, argument);
}

template <class Body>
void run_chunks(size_t count, size_t chunk, const Body& body) {  // body(begin, end, index)
  run_tasks(ceil_divide(count, chunk), false,
            [&](size_t index) { body(index * chunk, smaller(count, (index + 1) * chunk), index); });
}

// Rows that make a chunk of about kChunk elements.
inline size_t rows_per_chunk(size_t columns) { return larger(1, kChunk / larger(1, columns)); }

}  // namespace
