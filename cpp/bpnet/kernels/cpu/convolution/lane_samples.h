// kLanes samples side by side in the lanes of vectors, and back: images (sample, element) as
// (element, sample).
#pragma once

#include "bpnet/kernels/cpu/convolution/window_tile.h"
#include "bpnet/kernels/cpu/product/transpose.h"

namespace {

// to[c · to_stride + r] = from[r · from_stride + c], few of them
__attribute__((noinline)) void transpose_few(size_t rows, size_t columns, const real* from,
                                             size_t from_stride, real* to, size_t to_stride) {
  for (size_t r = 0; r < rows; ++r) {
#pragma GCC unroll 1
    for (size_t c = 0; c < columns; ++c) to[c * to_stride + r] = from[r * from_stride + c];
  }
}

// The offsets of the vectors that cover `count` elements: the last one may overlap the one before it.
inline size_t vector_at(size_t begin, size_t count) { return smaller(begin, count - kLanes); }

// to (count, kLanes) = from (samples, count), zeros for the samples that are missing
__attribute__((noinline)) void samples_to_lanes(size_t samples, size_t count, const real* from, size_t stride,
                                                real* to) {
  if (count < kLanes) {
    for (size_t e = 0; e < count; ++e) store(to + e * kLanes, vec{});
    transpose_few(samples, count, from, stride, to, kLanes);
    return;
  }
  for (size_t begin = 0; begin < count; begin += kLanes) {
    const size_t e = vector_at(begin, count);
    vec row[kLanes];
    for (size_t i = 0; i < samples; ++i) row[i] = load(from + i * stride + e);
    for (size_t i = samples; i < kLanes; ++i) row[i] = vec{};
    transpose_rounds<kLanes / 2>(row);
#pragma GCC unroll 16
    for (size_t i = 0; i < kLanes; ++i) store(to + (e + i) * kLanes, row[i]);
  }
}

// to (samples, count) = from (count, kLanes)
__attribute__((noinline)) void lanes_to_samples(size_t samples, size_t count, const real* from, real* to,
                                                size_t stride) {
  if (count < kLanes) {
    for (size_t e = 0; e < count; ++e) transpose_few(1, samples, from + e * kLanes, 0, to + e, stride);
    return;
  }
  for (size_t begin = 0; begin < count; begin += kLanes) {
    const size_t e = vector_at(begin, count);
    vec row[kLanes];
#pragma GCC unroll 16
    for (size_t i = 0; i < kLanes; ++i) row[i] = load(from + (e + i) * kLanes);
    transpose_rounds<kLanes / 2>(row);
    for (size_t i = 0; i < samples; ++i) store(to + i * stride + e, row[i]);
  }
}

}  // namespace
