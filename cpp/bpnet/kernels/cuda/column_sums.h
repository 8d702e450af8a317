// The sum of each column of a matrix, in an order that depends on its sizes alone.
#pragma once

#include "bpnet/kernels/cuda/scratch.h"

namespace bpnet::cuda {

// Scratch of column_sums; grows with the rows.
size_t column_sums_workspace(size_t rows, size_t columns);

// sums (columns,) = Σ_r x (rows, columns), or += with `accumulate`
template <class T>
void column_sums(Context&, Scratch, size_t rows, size_t columns, const T* x, T* sums, bool accumulate);

}  // namespace bpnet::cuda
