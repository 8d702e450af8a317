// Sums by VDPBF16PS, 16 columns per instruction. tile_model.h says how it rounds.
#pragma once

#include <immintrin.h>

#include "bpnet/kernels/cpu/bfloat16/panels.h"

namespace {

// One panel of a by one of b: a row of c in each of 16 registers.
inline void dot_panel(const TileSums& s, size_t panel, const bfloat16* b, float* c) {
  __m512 row[kPanelLines];
#pragma GCC unroll 16
  for (size_t i = 0; i < kPanelLines; ++i) {
    row[i] = s.add ? _mm512_loadu_ps(c + i * s.stride) : _mm512_setzero_ps();
  }
  for (size_t block = 0; block < s.blocks; ++block, b += kBlockElements) {
    const BlockOfA of_a = block_of_a(s, block);
    const bfloat16* const a = of_a.a + panel * kPanelLines * of_a.line;
    for (size_t pair = 0; pair < kBlockDepth / 2; ++pair) {
      const __m512bh right = __m512bh(_mm512_loadu_si512(b + pair * kBlockDepth));
#pragma GCC unroll 16
      for (size_t i = 0; i < kPanelLines; ++i) {
        int left;
        __builtin_memcpy(&left, a + i * of_a.line + 2 * pair, sizeof left);
        row[i] = _mm512_dpbf16_ps(row[i], __m512bh(_mm512_set1_epi32(left)), right);
      }
    }
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < kPanelLines; ++i) _mm512_storeu_ps(c + i * s.stride, row[i]);
}

template <size_t kA, size_t kB>
__attribute__((noinline)) void dot_sums(const TileSums& s) {
  for (size_t i = 0; i < kA; ++i) {
    for (size_t j = 0; j < kB; ++j) {
      dot_panel(s, i, s.b + j * s.b_panel, s.c + i * kPanelLines * s.stride + j * kPanelLines);
    }
  }
}

constexpr TileUnit kDot = {
    nothing_to_do, nothing_to_do, {{dot_sums<1, 1>, dot_sums<1, 2>}, {dot_sums<2, 1>, dot_sums<2, 2>}}};

}  // namespace
