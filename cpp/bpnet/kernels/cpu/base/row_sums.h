// The sums over the lanes of kLanes vectors at once: lane l of the result is the sum of part[l]. In
// log2(kLanes) rounds two vectors become one, each half of which holds the folded half of one of them.
#pragma once

#include "bpnet/kernels/cpu/base/lanes.h"

namespace {

template <size_t kWidth>
inline vec fold_rows(vec (&part)[kLanes]) {
  if constexpr (kWidth == 0) {
    return part[0];
  } else {
#pragma GCC unroll 16
    for (size_t i = 0; i < kWidth; ++i) {
      const vec a = part[i], b = part[i + kWidth];
      part[i] = lower_quarters<kWidth>(a, b, LaneIndices{}) + upper_quarters<kWidth>(a, b, LaneIndices{});
    }
    return fold_rows<kWidth / 2>(part);
  }
}

inline vec sum_rows(vec (&part)[kLanes]) { return fold_rows<kLanes / 2>(part); }

// The sum over the lanes of v, in every lane.
template <size_t kWidth = kLanes / 2>
inline vec sum_everywhere(vec v) {
  if constexpr (kWidth == 0) {
    return v;
  } else {
    const vec sum = lower_quarters<kWidth>(v, v, LaneIndices{}) + upper_quarters<kWidth>(v, v, LaneIndices{});
    return sum_everywhere<kWidth / 2>(sum);
  }
}

}  // namespace
