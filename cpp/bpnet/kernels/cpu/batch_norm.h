// Batch normalisation. Sums over the batch are computed in double, a part of the rows at a time.
#pragma once

#include "bpnet/kernels/cpu/base/parts.h"
#include "bpnet/kernels/cpu/base/scalar_math.h"
#include "bpnet/kernels/cpu/base/scratch.h"
#include "bpnet/kernels/kernels.h"

namespace {

inline Parts norm_parts(size_t rows, size_t columns) {
  return cut_into_parts(rows, rows_per_chunk(columns), 2 * columns * sizeof(double));
}

struct NormMemory {
  double* sums;     // (parts, 2, columns)
  double* factors;  // (3, columns)
};
inline NormMemory norm_memory(Scratch& scratch, size_t rows, size_t columns) {
  return {scratch.take<double>(2 * norm_parts(rows, columns).most * columns),
          scratch.take<double>(3 * columns)};
}
inline NormMemory norm_memory(bpnet::Context& context, size_t rows, size_t columns) {
  Scratch scratch = {context.scratch};
  return norm_memory(scratch, rows, columns);
}

size_t batch_norm_workspace(size_t rows, size_t columns) {
  Scratch scratch = {nullptr};
  norm_memory(scratch, rows, columns);
  return scratch.bytes;
}

// sums (2, columns) = Σ over the rows, by add_row(row, both sums); parts are folded in order into the first
// one.
template <class AddRow>
inline void sum_over_rows(size_t rows, size_t columns, double* sums, const AddRow& add_row) {
  const Parts parts = norm_parts(rows, columns);
  run_chunks(rows, parts.length, [&](size_t begin, size_t end, size_t index) {
    double* here = sums + 2 * index * columns;
    for (size_t c = 0; c < 2 * columns; ++c) here[c] = 0;
    for (size_t r = begin; r < end; ++r) add_row(r, here, here + columns);
  });
  for (size_t index = 1; index < parts.count; ++index) {
    for (size_t c = 0; c < 2 * columns; ++c) sums[c] += sums[2 * index * columns + c];
  }
}

__attribute__((noinline)) void follow(double momentum, double value, real& running) {
  running = real((1 - momentum) * double(running) + momentum * value);
}

void batch_norm_statistics(bpnet::Context& context, size_t rows, size_t columns, const real* x, real* mean,
                           real* variance, const bpnet::RunningStatistics<real>& running) {
  const NormMemory memory = norm_memory(context, rows, columns);
  sum_over_rows(rows, columns, memory.sums, [&](size_t r, double* sum, double*) {
    for (size_t c = 0; c < columns; ++c) sum[c] += double(x[r * columns + c]);
  });
  double* middle = memory.factors;
  for (size_t c = 0; c < columns; ++c) middle[c] = memory.sums[c] / double(rows);
  sum_over_rows(rows, columns, memory.sums, [&](size_t r, double* squares, double*) {
    for (size_t c = 0; c < columns; ++c) {
      const double distance = double(x[r * columns + c]) - middle[c];
      squares[c] += distance * distance;
    }
  });
  *running.batches += 1;
  const double momentum = running.cumulative ? 1 / double(*running.batches) : running.momentum;
  for (size_t c = 0; c < columns; ++c) {
    mean[c] = real(middle[c]);
    variance[c] = real(memory.sums[c] / double(rows));
    follow(momentum, middle[c], running.mean[c]);
    follow(momentum, memory.sums[c] / double(rows - 1), running.variance[c]);
  }
}

// 1 / √(variance + ε). Not inlined, as those that follow, to keep the loops over columns small.
__attribute__((noinline)) double inverse_deviation(const bpnet::BatchNormArgs<real>& a, size_t c) {
  return 1 / sqrt_of(double(a.variance[c]) + a.epsilon);
}

void batch_norm_forward(bpnet::Context& context, const bpnet::BatchNormArgs<real>& a, real* y) {
  const size_t columns = a.columns;
  real* scale = reinterpret_cast<real*>(norm_memory(context, a.rows, columns).factors);
  real* bias = scale + columns;
  for (size_t c = 0; c < columns; ++c) {
    scale[c] = real(inverse_deviation(a, c) * (a.weight ? double(a.weight[c]) : 1.0));
    bias[c] = a.bias ? a.bias[c] : real(0);
  }
  run_chunks(a.rows, rows_per_chunk(columns), [&](size_t begin, size_t end, size_t) {
    for (size_t r = begin; r < end; ++r) {
      const real* from = a.x + r * columns;
      real* to = y + r * columns;
      for (size_t c = 0; c < columns; ++c) to[c] = (from[c] - a.mean[c]) * scale[c] + bias[c];
    }
  });
}

void batch_norm_backward(bpnet::Context& context, const bpnet::BatchNormArgs<real>& a, const real* grad_y,
                         real* grad_x, real* grad_weight, real* grad_bias, bool accumulate) {
  const size_t columns = a.columns;
  const NormMemory memory = norm_memory(context, a.rows, columns);
  double *sum = memory.sums, *product = sum + columns;
  sum_over_rows(a.rows, columns, memory.sums, [&](size_t r, double* grads, double* products) {
    for (size_t c = 0; c < columns; ++c) {
      const double grad = double(grad_y[r * columns + c]);
      grads[c] += grad;
      products[c] += grad * (double(a.x[r * columns + c]) - double(a.mean[c]));
    }
  });
  // grad_x = scale (grad_y − shift − (x − mean) · slope)
  real* scale = reinterpret_cast<real*>(memory.factors);
  real *shift = scale + columns, *slope = shift + columns;
  for (size_t c = 0; c < columns; ++c) {
    const double inverse = inverse_deviation(a, c);
    product[c] *= inverse;
    if (grad_weight) grad_weight[c] = real(product[c]) + (accumulate ? grad_weight[c] : real(0));
    if (grad_bias) grad_bias[c] = real(sum[c]) + (accumulate ? grad_bias[c] : real(0));
    scale[c] = real(inverse * (a.weight ? double(a.weight[c]) : 1.0));
    shift[c] = real(sum[c] / double(a.rows));
    slope[c] = real(inverse * product[c] / double(a.rows));
  }
  if (!grad_x) return;
  run_chunks(a.rows, rows_per_chunk(columns), [&](size_t begin, size_t end, size_t) {
    for (size_t i = begin; i < end; ++i) {
      const real *x = a.x + i * columns, *grad = grad_y + i * columns;
      real* to = grad_x + i * columns;
      for (size_t c = 0; c < columns; ++c) {
        to[c] = scale[c] * (grad[c] - shift[c] - (x[c] - a.mean[c]) * slope[c]);
      }
    }
  });
}

}  // namespace
