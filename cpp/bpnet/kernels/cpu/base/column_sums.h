// Sums of the columns of a matrix: the gradient of a bias.
#pragma once

#include "bpnet/kernels/cpu/base/chunks.h"
#include "bpnet/kernels/cpu/base/scratch.h"

namespace {

// Rows of each partial sum; partial sums are added in order.
inline size_t rows_per_sum(size_t columns) { return larger(64, rows_per_chunk(columns)); }
inline size_t column_sums_bytes(size_t rows, size_t columns) {
  return ceil_divide(rows, rows_per_sum(columns)) * columns * sizeof(real);
}

// The first kCount vectors of sum (+)= Σ over the rows of x, accumulated in registers.
template <size_t kCount>
inline void add_row_vectors(size_t rows, size_t stride, const real* x, real* sum, bool accumulate) {
  vec total[kCount];
#pragma GCC unroll 4
  for (size_t v = 0; v < kCount; ++v) total[v] = accumulate ? load(sum + v * kLanes) : vec{};
  for (size_t n = 0; n < rows; ++n) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kCount; ++v) total[v] += load(x + n * stride + v * kLanes);
  }
#pragma GCC unroll 4
  for (size_t v = 0; v < kCount; ++v) store(sum + v * kLanes, total[v]);
}

// sum (columns,) (+)= Σ over the rows of x (rows, columns)
__attribute__((noinline)) void add_rows(size_t rows, size_t columns, const real* x, real* sum,
                                        bool accumulate) {
  size_t j = 0;
  for (; j + 4 * kLanes <= columns; j += 4 * kLanes) {
    add_row_vectors<4>(rows, columns, x + j, sum + j, accumulate);
  }
  for (; j + kLanes <= columns; j += kLanes) add_row_vectors<1>(rows, columns, x + j, sum + j, accumulate);
  for (; j < columns; ++j) {
    real total = accumulate ? sum[j] : real(0);
    for (size_t n = 0; n < rows; ++n) total += x[n * columns + j];
    sum[j] = total;
  }
}

// The same over many rows, by several threads.
inline void add_column_sums(bpnet::Context& context, size_t rows, size_t columns, const real* x, real* sum,
                            bool accumulate) {
  const size_t each = rows_per_sum(columns), sums = ceil_divide(rows, each);
  if (sums < 2) {
    add_rows(rows, columns, x, sum, accumulate);
    return;
  }
  real* const partial = Scratch{context.scratch}.take<real>(sums * columns);
  run_chunks(rows, each, [&](size_t begin, size_t end, size_t index) {
    add_rows(end - begin, columns, x + begin * columns, partial + index * columns, false);
  });
  add_rows(sums, columns, partial, sum, accumulate);
}

}  // namespace
