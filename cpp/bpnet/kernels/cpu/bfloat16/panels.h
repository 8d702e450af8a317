// Operands in bfloat16 in the layout of AMX tiles, by panels of 16 lines (rows of a, columns of b) and blocks
// of 32 along k. The lines of a are stored one after another. A panel of b consists of its blocks, each (pair
// along k, line, k of the pair). The last panel and block are padded with 0.
#pragma once

#include "bpnet/kernels/cpu/base/sizes.h"

namespace {

using bfloat16 = uint16_t;  // the upper half of a float

constexpr size_t kPanelLines = 16, kBlockDepth = 32, kBlockElements = kPanelLines * kBlockDepth;

// Elements from one line of a to the next: an odd number of cache lines, since otherwise 16 lines would share
// a few sets of the cache, and at least 32 elements more than the line has, which may be written before the
// next line.
inline size_t line_elements(size_t k) { return ((ceil_divide(k, kBlockDepth) + 1) | 1) * kBlockDepth; }
// From one panel to the next.
inline size_t a_panel_elements(size_t k) { return kPanelLines * line_elements(k); }
inline size_t b_panel_elements(size_t k) { return ceil_divide(k, kBlockDepth) * kBlockElements; }
// The larger of the two.
inline size_t packed_elements(size_t lines, size_t k) {
  return ceil_divide(lines, kPanelLines) * a_panel_elements(k);
}

// A part of the result: the sums of up to two panels of a times up to two of b over some blocks, starting
// from c if `add`, else from 0.
struct TileSums {
  const bfloat16 *a, *b;
  size_t a_line, b_panel;  // elements from one to the next
  size_t blocks;
  float* c;  // (16 · panels of a, 16 · panels of b), rows `stride` apart
  size_t stride;
  bool add;
  // Elements from `a` to each of its blocks; the complement of those from `copies`, where lines are 32 apart.
  const ptrdiff_t* a_blocks;
  const bfloat16* copies = nullptr;
};

// One block of a.
struct BlockOfA {
  const bfloat16* a;
  size_t line;  // elements
};
inline BlockOfA block_of_a(const TileSums& s, size_t block) {
  const ptrdiff_t at = s.a_blocks[block];
  return at >= 0 ? BlockOfA{s.a + at, s.a_line} : BlockOfA{s.copies + ~at, kBlockDepth};
}

// Blocks that follow each other.
constexpr size_t kMostDepth = 8192;  // of a packed line
struct ConsecutiveBlocks {
  ptrdiff_t at[kMostDepth / kBlockDepth];
  constexpr ConsecutiveBlocks() : at() {
    for (size_t block = 0; block < kMostDepth / kBlockDepth; ++block)
      at[block] = ptrdiff_t(block * kBlockDepth);
  }
};
constexpr ConsecutiveBlocks kConsecutiveBlocks;

// How the sums are computed: one instruction, or its model.
struct TileUnit {
  void (*begin)();  // in each thread, before its first sums
  void (*end)();
  void (*sums[2][2])(const TileSums&);  // by panels of a − 1 and of b − 1
};

inline void nothing_to_do() {}

// Defined in round_avx512.h and round_model.h.
inline void round_run(size_t count, const float* from, bfloat16* to);
inline void pair_rows(size_t panels, const bfloat16* first, const bfloat16* second, bfloat16* to,
                      size_t panel);
inline void transpose_pairs(const bfloat16* from, size_t from_stride, bfloat16* to, size_t to_stride);

}  // namespace
