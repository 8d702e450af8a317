#pragma once

#include "bpnet/kernels/cpu/chunks.h"
#include "bpnet/kernels/cpu/transpose.h"
#include "bpnet/kernels/kernels.h"

namespace {

// One matrix: columns begin … end of x become rows of y.
void transpose_columns(size_t rows, size_t columns, size_t begin, size_t end, const real* x, real* y) {
  const size_t whole_rows = rows / kLanes * kLanes;
  size_t c = begin;
  for (; c + kLanes <= end; c += kLanes) {
    for (size_t r = 0; r < whole_rows; r += kLanes) {
      transpose_block(x + r * columns + c, columns, y + c * rows + r, rows);
    }
    for (size_t i = c; i < c + kLanes; ++i) {
      for (size_t r = whole_rows; r < rows; ++r) y[i * rows + r] = x[r * columns + i];
    }
  }
  for (; c < end; ++c) {
    for (size_t r = 0; r < rows; ++r) y[c * rows + r] = x[r * columns + c];
  }
}

void transpose(bpnet::Context&, size_t n, size_t rows, size_t columns, const real* x, real* y) {
  const size_t wanted = smaller(columns, rows_per_chunk(rows));
  const size_t chunk = ceil_divide(wanted, kLanes) * kLanes;  // columns of a task
  const size_t tasks = ceil_divide(columns, chunk);
  run_tasks(n * tasks, n * rows * columns <= kChunk, [&](size_t index) {
    const size_t image = index / tasks, begin = index % tasks * chunk;
    transpose_columns(rows, columns, begin, smaller(columns, begin + chunk), x + image * rows * columns,
                      y + image * rows * columns);
  });
}

}  // namespace
