// Panels of an operand in bfloat16: 16 of its lines (rows of a, columns of b), cut along k into blocks of 32.
// A block holds 16 × 16 pairs of neighbours in k, as the tiles of AMX have them: of a pair (line, pair along
// k), of b transposed, (pair along k, line). What is missing of the last panel and block is 0.
#pragma once

#include "bpnet/kernels/cpu/base/sizes.h"

namespace {

using bfloat16 = uint16_t;  // the upper half of a float

constexpr size_t kPanelLines = 16, kBlockDepth = 32, kBlockElements = kPanelLines * kBlockDepth;

inline size_t panel_elements(size_t k) { return ceil_divide(k, kBlockDepth) * kBlockElements; }
inline size_t panels_of(size_t lines) { return ceil_divide(lines, kPanelLines); }
inline size_t packed_elements(size_t lines, size_t k) { return panels_of(lines) * panel_elements(k); }

// A part of the result: the sums of up to two panels of a times up to two of b over some blocks, each begun
// with what is in c if `add`, else with 0.
struct TileSums {
  const bfloat16 *a, *b;    // the first block of each
  size_t a_panel, b_panel;  // elements from one panel to the next
  size_t blocks;
  float* c;  // (16 · panels of a, 16 · panels of b), rows `stride` apart
  size_t stride;
  bool add;
};

// How the sums are made: one instruction, or its model.
struct TileUnit {
  void (*begin)();  // in each thread, before its first sums
  void (*end)();
  void (*sums[2][2])(const TileSums&);  // by panels of a − 1 and of b − 1
};

inline void nothing_to_do() {}

// In round_avx512.h and round_model.h.
inline void round_run(size_t count, const float* from, bfloat16* to);
inline void pair_rows(size_t panels, const bfloat16* first, const bfloat16* second, bfloat16* to,
                      size_t panel);
inline void transpose_pairs(bfloat16* block);

}  // namespace
