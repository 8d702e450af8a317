// Rounding to bfloat16: to the nearest, ties to even; a denormal becomes 0, NaN remains NaN. And pairs in the
// order of panels.
#pragma once

#include "bpnet/kernels/cpu/bfloat16/panels.h"

namespace {

inline bfloat16 rounded(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  const uint32_t size = bits & 0x7fffffff;
  if (size > 0x7f800000) return bfloat16(bits >> 16 | 0x40);  // quiet
  if (size < 0x00800000) return bfloat16(bits >> 16 & 0x8000);
  return bfloat16((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// to (count,) = from (count,), rounded
inline void round_run(size_t count, const float* from, bfloat16* to) {
  for (size_t i = 0; i < count; ++i) to[i] = rounded(from[i]);
}

// The pairs of two rows of 16 · `panels` elements, 16 for each panel.
inline void pair_rows(size_t panels, const bfloat16* first, const bfloat16* second, bfloat16* to,
                      size_t panel) {
  for (size_t i = 0; i < panels * kPanelLines; ++i) {
    bfloat16* const pair = to + i / kPanelLines * panel + i % kPanelLines * 2;
    pair[0] = first[i];
    pair[1] = second[i];
  }
}

// to (16, 16 pairs) = from (16, 16 pairs), transposed; elements from row to row.
inline void transpose_pairs(const bfloat16* from, size_t from_stride, bfloat16* to, size_t to_stride) {
  for (size_t i = 0; i < kPanelLines; ++i) {
    for (size_t j = 0; j < kPanelLines; ++j) {
      __builtin_memcpy(to + i * to_stride + 2 * j, from + j * from_stride + 2 * i, 2 * sizeof *to);
    }
  }
}

}  // namespace
