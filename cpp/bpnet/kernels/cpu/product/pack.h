// Panels of an operand, packed: panel[p][0 … kWidth−1] for p = 0 … depth−1, so that a tile reads them
// contiguously.
#pragma once

#include "bpnet/kernels/cpu/product/transpose.h"

namespace {

// The first `count` of kWidth rows of a matrix whose rows are dense, zeros for the rest.
template <size_t kWidth>
void pack_rows(const real* from, size_t stride, size_t count, size_t depth, real* panel) {
  constexpr size_t kBlocks = (kWidth + kLanes - 1) / kLanes;
  size_t p = 0;
  for (; p + kLanes <= depth; p += kLanes) {
    for (size_t block = 0; block < kBlocks; ++block) {
      vec row[kLanes];
#pragma GCC unroll 16
      for (size_t i = 0; i < kLanes; ++i) {
        const size_t r = block * kLanes + i;
        row[i] = r < kWidth && r < count ? load(from + r * stride + p) : vec{};
      }
      transpose_rounds<kLanes / 2>(row);
      constexpr size_t kRest = kWidth % kLanes;
#pragma GCC unroll 16
      for (size_t i = 0; i < kLanes; ++i) {
        real* to = panel + (p + i) * kWidth + block * kLanes;
        if (kRest && block + 1 == kBlocks) {
          store_first<kRest>(to, row[i]);
        } else {
          store(to, row[i]);
        }
      }
    }
  }
  for (; p < depth; ++p) {
    for (size_t i = 0; i < kWidth; ++i) panel[p * kWidth + i] = i < count ? from[i * stride + p] : real(0);
  }
}

// The same of a matrix whose columns are dense.
template <size_t kWidth>
void pack_columns(const real* from, size_t stride, size_t count, size_t depth, real* panel) {
  for (size_t p = 0; p < depth; ++p, from += stride, panel += kWidth) {
    if (count >= kWidth) {
      for (size_t i = 0; i < kWidth; ++i) panel[i] = from[i];
    } else {
      for (size_t i = 0; i < kWidth; ++i) panel[i] = i < count ? from[i] : real(0);
    }
  }
}

// `stride` is from one of the panel's kWidth rows to the next, `depth_stride` along them.
template <size_t kWidth>
inline void pack_panel(const real* from, size_t stride, size_t depth_stride, size_t count, size_t depth,
                       real* panel) {
  if (stride == 1) {
    pack_columns<kWidth>(from, depth_stride, count, depth, panel);
  } else {
    pack_rows<kWidth>(from, stride, count, depth, panel);
  }
}

}  // namespace
