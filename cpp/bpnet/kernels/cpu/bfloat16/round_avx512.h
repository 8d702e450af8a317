// Rounding to bfloat16 by VCVTNE2PS2BF16, and pairs in the order of panels. round_model.h has the exact
// results.
#pragma once

#include <immintrin.h>

#include "bpnet/kernels/cpu/bfloat16/panels.h"
#include "bpnet/kernels/cpu/product/transpose.h"

namespace {

inline __m512i rounded_pair(__m512 low, __m512 high) { return __m512i(_mm512_cvtne2ps_pbh(high, low)); }

// to (count,) = from (count,), rounded
inline void round_run(size_t count, const float* from, bfloat16* to) {
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    _mm512_storeu_si512(to + i, rounded_pair(_mm512_loadu_ps(from + i), _mm512_loadu_ps(from + i + 16)));
  }
  if (i == count) return;
  const uint32_t lanes = (uint32_t(1) << (count - i)) - 1;
  const __m512 low = _mm512_maskz_loadu_ps(__mmask16(lanes), from + i);
  const __m512 high = lanes >> 16 ? _mm512_maskz_loadu_ps(__mmask16(lanes >> 16), from + i + 16) : low;
  _mm512_mask_storeu_epi16(to + i, lanes, rounded_pair(low, high));
}

// The pairs of two rows of 16 · `panels` elements, 16 for each panel.
inline void pair_rows(size_t panels, const bfloat16* first, const bfloat16* second, bfloat16* to,
                      size_t panel) {
  constexpr __mmask16 kAll = 0xffff;  // GCC 12 warns that the forms without a mask are uninitialised
  for (size_t p = 0; p < panels; ++p, first += kPanelLines, second += kPanelLines, to += panel) {
    const __m512i low = _mm512_maskz_cvtepu16_epi32(kAll, _mm256_loadu_si256((const __m256i*)first));
    const __m512i high = _mm512_maskz_cvtepu16_epi32(kAll, _mm256_loadu_si256((const __m256i*)second));
    _mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_maskz_slli_epi32(kAll, high, 16)));
  }
}

// to (16, 16 pairs) = from (16, 16 pairs), transposed; elements from row to row.
inline void transpose_pairs(const bfloat16* from, size_t from_stride, bfloat16* to, size_t to_stride) {
  transpose_block(reinterpret_cast<const float*>(from), from_stride / 2, reinterpret_cast<float*>(to),
                  to_stride / 2);
}

}  // namespace
