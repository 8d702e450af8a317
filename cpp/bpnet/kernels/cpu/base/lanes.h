// Shuffles that combine the lanes of two vectors.
#pragma once

#include "bpnet/kernels/cpu/base/vector.h"

namespace {

template <size_t... kIndex>
struct Indices {};

template <size_t kCount, size_t... kIndex>
struct CountTo : CountTo<kCount - 1, kCount - 1, kIndex...> {};

template <size_t... kIndex>
struct CountTo<0, kIndex...> {
  using Type = Indices<kIndex...>;
};

using LaneIndices = CountTo<kLanes>::Type;

// Lane l of the result: lane (l without bit kWidth) of a, or of b where l has that bit.
template <size_t kWidth, size_t... kLane>
inline vec lower_quarters(vec a, vec b, Indices<kLane...>) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, (kLane & kWidth ? kLanes + kLane - kWidth : kLane)...);
#else
  return __builtin_shuffle(a, b, ivec{integer(kLane & kWidth ? kLanes + kLane - kWidth : kLane)...});
#endif
}

// Lane l of the result: lane (l with bit kWidth) of a, or of b where l has that bit.
template <size_t kWidth, size_t... kLane>
inline vec upper_quarters(vec a, vec b, Indices<kLane...>) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, (kLane & kWidth ? kLanes + kLane : kLane + kWidth)...);
#else
  return __builtin_shuffle(a, b, ivec{integer(kLane & kWidth ? kLanes + kLane : kLane + kWidth)...});
#endif
}

}  // namespace
