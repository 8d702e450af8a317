// A square block of kLanes x kLanes elements, transposed in registers: log2(kLanes) rounds, each of which
// swaps the off-diagonal quarters of ever smaller blocks.
#pragma once

#include "bpnet/kernels/cpu/base/lanes.h"

namespace {

template <size_t kWidth>
inline void transpose_rounds(vec (&row)[kLanes]) {
  if constexpr (kWidth > 0) {
#pragma GCC unroll 16
    for (size_t i = 0; i < kLanes; ++i) {
      if (i & kWidth) continue;
      const vec a = row[i], b = row[i + kWidth];
      row[i] = lower_quarters<kWidth>(a, b, LaneIndices{});
      row[i + kWidth] = upper_quarters<kWidth>(a, b, LaneIndices{});
    }
    transpose_rounds<kWidth / 2>(row);
  }
}

// to[p * to_stride + i] = from[i * from_stride + p] for i, p in 0 … kLanes−1
inline void transpose_block(const real* from, size_t from_stride, real* to, size_t to_stride) {
  vec row[kLanes];
#pragma GCC unroll 16
  for (size_t i = 0; i < kLanes; ++i) row[i] = load(from + i * from_stride);
  transpose_rounds<kLanes / 2>(row);
#pragma GCC unroll 16
  for (size_t p = 0; p < kLanes; ++p) store(to + p * to_stride, row[p]);
}

}  // namespace
