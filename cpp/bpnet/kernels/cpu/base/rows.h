// Operations on one or two rows of numbers, serially.
#pragma once

#include "bpnet/kernels/cpu/base/vector.h"

namespace {

// Σ a[i] b[i]
__attribute__((noinline)) real dot(size_t count, const real* a, const real* b) {
  vec sum0 = {}, sum1 = {}, sum2 = {}, sum3 = {};
  size_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    sum0 += load(a + i) * load(b + i);
    sum1 += load(a + i + kLanes) * load(b + i + kLanes);
    sum2 += load(a + i + 2 * kLanes) * load(b + i + 2 * kLanes);
    sum3 += load(a + i + 3 * kLanes) * load(b + i + 3 * kLanes);
  }
  for (; i + kLanes <= count; i += kLanes) sum0 += load(a + i) * load(b + i);
  real sum = sum_lanes((sum0 + sum1) + (sum2 + sum3));
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

// Σ a[i]
inline real sum_of(size_t count, const real* a) {
  vec sums = {};
  size_t c = 0;
  for (; c + kLanes <= count; c += kLanes) sums += load(a + c);
  real sum = sum_lanes(sums);
  for (; c < count; ++c) sum += a[c];
  return sum;
}

// y += scale · a
__attribute__((noinline)) void add_scaled(size_t count, real scale, const real* a, real* y) {
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, load(y + i) + scale * load(a + i));
  for (; i < count; ++i) y[i] += scale * a[i];
}

// y = scale · a
__attribute__((noinline)) void set_scaled(size_t count, real scale, const real* a, real* y) {
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, scale * load(a + i));
  for (; i < count; ++i) y[i] = scale * a[i];
}

// In these the last vector may overlap the one before it.
__attribute__((noinline)) void copy_row(size_t count, const real* from, real* to) {
  if (count < kLanes) {
    for (size_t i = 0; i < count; ++i) to[i] = from[i];
    return;
  }
  for (size_t i = 0; i + kLanes <= count; i += kLanes) store(to + i, load(from + i));
  store(to + count - kLanes, load(from + count - kLanes));
}
__attribute__((noinline)) void fill_zero(size_t count, real* y) {
  if (count < kLanes) {
    for (size_t i = 0; i < count; ++i) y[i] = 0;
    return;
  }
  for (size_t i = 0; i + kLanes <= count; i += kLanes) store(y + i, vec{});
  store(y + count - kLanes, vec{});
}

}  // namespace
