// Vectors of the channels of a position; the last one may be partial.
#pragma once

#include "bpnet/kernels/cpu/base/vector_math.h"

namespace {

inline vec load_channels(const real* p, size_t count) {
  return count >= kLanes ? load(p) : load_rest(p, count);
}
inline void store_channels(real* p, vec v, size_t count) {
  if (count >= kLanes) {
    store(p, v);
  } else {
    store_rest(p, v, count);
  }
}

// All lanes where that does not exceed `end`: those after `count` belong to later positions, which overwrite
// them.
inline vec load_within(const real* p, size_t count, const real* end) {
  return count >= kLanes || p + kLanes <= end ? load(p) : load_rest(p, count);
}
inline void store_within(real* p, vec v, size_t count, const real* end) {
  if (count >= kLanes || p + kLanes <= end) {
    store(p, v);
  } else {
    store_rest(p, v, count);
  }
}

}  // namespace
