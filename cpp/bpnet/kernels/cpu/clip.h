#pragma once

#include "bpnet/kernels/cpu/base/chunks.h"
#include "bpnet/kernels/cpu/elementwise.h"
#include "bpnet/kernels/cpu/sums.h"
#include "bpnet/kernels/kernels.h"

namespace {

using Clip = bpnet::ClipArgs<real>;

// Σ g² in double
__attribute__((noinline)) double sum_of_squares(size_t count, const real* g) {
  constexpr size_t kSums = 8;  // added to in turn, so that none waits for the previous addition
  double sums[kSums] = {};
  size_t i = 0;
  for (; i + kSums <= count; i += kSums) {
    for (size_t s = 0; s < kSums; ++s) sums[s] += double(g[i + s]) * double(g[i + s]);
  }
  for (; i < count; ++i) sums[0] += double(g[i]) * double(g[i]);
  double sum = 0;
  for (size_t s = 0; s < kSums; ++s) sum += sums[s];
  return sum;
}

__attribute__((noinline)) void clamp(size_t count, real most, real* g) {
  for (size_t i = 0; i < count; ++i) g[i] = g[i] > most ? most : g[i] < -most ? -most : g[i];  // NaN is kept
}

size_t clip_workspace(size_t longest) { return ceil_divide(longest, kChunk) * sizeof(double); }

// Clips the elements of one range by value; returns its Σ g² where the norm is needed.
__attribute__((noinline)) double clip_by_value(const Clip& a, real* grad, size_t count, double* partial) {
  run_chunks(count, kChunk, [&](size_t begin, size_t end, size_t index) {
    if (a.value > 0) clamp(end - begin, real(a.value), grad + begin);
    if (a.norm > 0) partial[index] = sum_of_squares(end - begin, grad + begin);
  });
  double sum = 0;
  for (size_t index = 0; a.norm > 0 && index * kChunk < count; ++index) sum += partial[index];
  return sum;
}

void clip(bpnet::Context& context, const Clip& a, bpnet::Tally how, bpnet::Sums* sums) {
  if (!sums->updates) return;
  double* const partial = reinterpret_cast<double*>(context.scratch);
  double squares = 0;
  for (size_t s = 0; s < a.count; ++s) {
    squares += clip_by_value(a, a.grad + a.ranges[s].offset, a.ranges[s].count, partial);
  }
  if (a.norm == 0) return;
  const double norm = __builtin_sqrt(squares);
  if (how == bpnet::Tally::kTraining && !is_finite_number(norm)) {
    sums->stopped = 1;
    sums->stopping_loss = sums->batch_loss;
    sums->updates = 0;
    return;
  }
  const double share = a.norm / (norm + 1e-6);
  if (share >= 1) return;
  for (size_t s = 0; s < a.count; ++s) {
    real* const grad = a.grad + a.ranges[s].offset;
    scale(context, a.ranges[s].count, share, grad, grad);
  }
}

}  // namespace
