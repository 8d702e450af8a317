#pragma once

#include "bpnet/kernels/cpu/base/chunks.h"
#include "bpnet/kernels/cpu/base/rows.h"
#include "bpnet/kernels/cpu/base/vector_math.h"
#include "bpnet/kernels/kernels.h"

namespace {

inline real row_maximum(size_t columns, const real* x) {
  real largest = x[0];
  size_t c = 0;
  if (columns >= kLanes) {
    vec most = load(x);
    for (c = kLanes; c + kLanes <= columns; c += kLanes) {
      const vec here = load(x + c);
      most = here > most ? here : most;
    }
    for (size_t i = 0; i < kLanes; ++i) largest = most[i] > largest ? most[i] : largest;
  }
  for (; c < columns; ++c) largest = x[c] > largest ? x[c] : largest;
  return largest;
}

// y = exp(x − largest), and their sum
inline real exponentials(size_t columns, const real* x, real largest, real* y) {
  map_vectors(columns, x, y, [=](vec v) { return exp_of(v - largest); });
  return sum_of(columns, y);
}

// Only the sum. Not inlined: it would be copied into every caller of the loss.
__attribute__((noinline)) real exponential_sum(size_t columns, const real* x, real largest) {
  constexpr size_t kPiece = 16 * kLanes;
  real piece[kPiece], sum = 0;
  for (size_t c = 0; c < columns; c += kPiece) {
    const size_t count = smaller(kPiece, columns - c);
    map_vectors(count, x + c, piece, [=](vec v) { return exp_of(v - largest); });
    sum += sum_of(count, piece);
  }
  return sum;
}

void softmax_forward(bpnet::Context&, size_t rows, size_t columns, const real* x, real* y) {
  run_chunks(rows, rows_per_chunk(columns), [&](size_t begin, size_t end, size_t) {
    for (size_t r = begin; r < end; ++r) {
      const real* from = x + r * columns;
      real* to = y + r * columns;
      const real scale = 1 / exponentials(columns, from, row_maximum(columns, from), to);
      for (size_t c = 0; c < columns; ++c) to[c] *= scale;
    }
  });
}

void softmax_backward(bpnet::Context&, size_t rows, size_t columns, const real* y, const real* grad_y,
                      real* grad_x) {
  run_chunks(rows, rows_per_chunk(columns), [&](size_t begin, size_t end, size_t) {
    for (size_t r = begin; r < end; ++r) {
      const size_t at = r * columns;
      real inner = 0;
      for (size_t c = 0; c < columns; ++c) inner += grad_y[at + c] * y[at + c];
      for (size_t c = 0; c < columns; ++c) grad_x[at + c] = y[at + c] * (grad_y[at + c] - inner);
    }
  });
}

}  // namespace
