// Work cut into parts that each need scratch memory.
#pragma once

#include "bpnet/kernels/cpu/base/chunks.h"

namespace {

// Work on a number of units, cut into parts that each need scratch memory: at most kMostParts, and fewer
// where their scratch would exceed kPartsMemory.
struct Parts {
  size_t length;  // units of a part
  size_t count;
  size_t most;  // how many parts scratch is reserved for; unlike count it never shrinks as the units grow
};

constexpr size_t kMostParts = 64;
constexpr size_t kPartsMemory = size_t{1} << 24;  // bytes

inline Parts cut_into_parts(size_t units, size_t least, size_t bytes_each) {
  const size_t most = larger(1, smaller(kMostParts, kPartsMemory / larger(1, bytes_each)));
  const size_t length = larger(least, ceil_divide(units, most));
  return {length, ceil_divide(units, length), smaller(most, ceil_divide(units, least))};
}

}  // namespace
