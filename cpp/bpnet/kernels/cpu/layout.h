#pragma once

#include <string.h>

#include "bpnet/kernels/cpu/base/chunks.h"
#include "bpnet/kernels/cpu/product/transpose.h"
#include "bpnet/kernels/kernels.h"

namespace {

// Columns begin … end of x (rows, …) become rows of y.
void transpose_columns(size_t rows, size_t begin, size_t end, const real* x, size_t x_stride, real* y,
                       size_t y_stride) {
  const size_t whole_rows = rows / kLanes * kLanes;
  size_t c = begin;
  for (; c + kLanes <= end; c += kLanes) {
    for (size_t r = 0; r < whole_rows; r += kLanes) {
      transpose_block(x + r * x_stride + c, x_stride, y + c * y_stride + r, y_stride);
    }
    for (size_t i = c; i < c + kLanes; ++i) {
      for (size_t r = whole_rows; r < rows; ++r) y[i * y_stride + r] = x[r * x_stride + i];
    }
  }
  for (; c < end; ++c) {
    for (size_t r = 0; r < rows; ++r) y[c * y_stride + r] = x[r * x_stride + c];
  }
}

// A task is about kChunk elements: several rows, or part of one.
void copy_columns(bpnet::Context&, const bpnet::ColumnSizes& s, const real* x, real* y, bool accumulate) {
  const size_t width = smaller(s.columns, kChunk), height = rows_per_chunk(width);
  const size_t across = ceil_divide(s.columns, width);
  run_tasks(ceil_divide(s.rows, height) * across, false, [&](size_t index) {
    const size_t begin = index % across * width, count = smaller(s.columns, begin + width) - begin;
    const size_t first = index / across * height, end = smaller(s.rows, first + height);
    for (size_t r = first; r < end; ++r) {
      const real* const from = x + r * s.x_stride + begin;
      real* const to = y + r * s.y_stride + begin;
      if (accumulate) {
        for (size_t c = 0; c < count; ++c) to[c] += from[c];
      } else {
        memcpy(to, from, count * sizeof(real));
      }
    }
  });
}

void transpose(bpnet::Context&, size_t n, size_t rows, size_t columns, const real* x, real* y) {
  const size_t wanted = smaller(columns, rows_per_chunk(rows));
  const size_t chunk = ceil_divide(wanted, kLanes) * kLanes;  // columns of a task
  const size_t tasks = ceil_divide(columns, chunk);
  run_tasks(n * tasks, n * rows * columns <= kChunk, [&](size_t index) {
    const size_t image = index / tasks, begin = index % tasks * chunk;
    transpose_columns(rows, begin, smaller(columns, begin + chunk), x + image * rows * columns, columns,
                      y + image * rows * columns, rows);
  });
}

}  // namespace
