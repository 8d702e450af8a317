// kLanes samples side by side in the lanes of vectors, and back: images (sample, element) as
// (element, sample).
#pragma once

#include "bpnet/kernels/cpu/product/transpose.h"

namespace {

// to (count, kLanes) = from (samples, count), zeros for the samples that are missing
__attribute__((noinline)) void samples_to_lanes(size_t samples, size_t count, const real* from, size_t stride,
                                                real* to) {
  if (count < kLanes) {
    for (size_t e = 0; e < count; ++e) {
      for (size_t i = 0; i < kLanes; ++i) to[e * kLanes + i] = i < samples ? from[i * stride + e] : real(0);
    }
    return;
  }
  for (size_t begin = 0; begin < count; begin += kLanes) {
    const size_t e = begin + kLanes <= count ? begin : count - kLanes;
    vec row[kLanes];
#pragma GCC unroll 16
    for (size_t i = 0; i < kLanes; ++i) row[i] = i < samples ? load(from + i * stride + e) : vec{};
    transpose_rounds<kLanes / 2>(row);
#pragma GCC unroll 16
    for (size_t i = 0; i < kLanes; ++i) store(to + (e + i) * kLanes, row[i]);
  }
}

// to (samples, count) = from (count, kLanes)
__attribute__((noinline)) void lanes_to_samples(size_t samples, size_t count, const real* from, real* to,
                                                size_t stride) {
  if (count < kLanes) {
    for (size_t i = 0; i < samples; ++i) {
      for (size_t e = 0; e < count; ++e) to[i * stride + e] = from[e * kLanes + i];
    }
    return;
  }
  for (size_t begin = 0; begin < count; begin += kLanes) {
    const size_t e = begin + kLanes <= count ? begin : count - kLanes;
    vec row[kLanes];
#pragma GCC unroll 16
    for (size_t i = 0; i < kLanes; ++i) row[i] = load(from + (e + i) * kLanes);
    transpose_rounds<kLanes / 2>(row);
#pragma GCC unroll 16
    for (size_t i = 0; i < kLanes; ++i) {
      if (i < samples) store(to + i * stride + e, row[i]);
    }
  }
}

}  // namespace
