// Sums by TDPBF16PS, a whole block of both operands an instruction. How it rounds is in tile_model.h.
#pragma once

#include <immintrin.h>

#include "bpnet/kernels/cpu/bfloat16/panels.h"

namespace {

struct alignas(64) TileSettings {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Not on the stack, where GCC leaves out what its own _tile_loadconfig does not say that it reads.
constexpr TileSettings kTileSettings;

inline void begin_amx() { _tile_loadconfig(&kTileSettings); }
inline void end_amx() { _tile_release(); }

// A tile's loads wait for the second-level cache one after another, so the blocks to come are asked for
// before.
constexpr size_t kBlocksAhead = 2;

inline void prefetch_block(const bfloat16* block) {
#pragma GCC unroll 16
  for (size_t line = 0; line < kPanelLines; ++line) {
    __builtin_prefetch(block + kBlocksAhead * kBlockElements + line * kBlockDepth);
  }
}

// Tiles 0 … 3 are c, 4 and 5 are a, 6 and 7 are b.
template <size_t kA, size_t kB>
__attribute__((noinline)) void amx_sums(const TileSums& s) {
  constexpr bool kDown = kA > 1, kAlong = kB > 1;
  const size_t row = s.stride * sizeof(float);
  float* const below = s.c + kPanelLines * s.stride;
  if (s.add) {
    _tile_loadd(0, s.c, row);
    if constexpr (kAlong) _tile_loadd(1, s.c + kPanelLines, row);
    if constexpr (kDown) _tile_loadd(2, below, row);
    if constexpr (kDown && kAlong) _tile_loadd(3, below + kPanelLines, row);
  } else {
    _tile_zero(0);
    if constexpr (kAlong) _tile_zero(1);
    if constexpr (kDown) _tile_zero(2);
    if constexpr (kDown && kAlong) _tile_zero(3);
  }
  const bfloat16 *a = s.a, *b = s.b;
  for (size_t block = 0; block < s.blocks; ++block, a += kBlockElements, b += kBlockElements) {
    _tile_loadd(6, b, 64);
    _tile_loadd(4, a, 64);
    prefetch_block(a);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kAlong) {
      _tile_loadd(7, b + s.b_panel, 64);
      prefetch_block(b);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (kDown) {
      _tile_loadd(5, a + s.a_panel, 64);
      prefetch_block(a + s.a_panel);
      _tile_dpbf16ps(2, 5, 6);
    }
    if constexpr (kDown && kAlong) {
      prefetch_block(b + s.b_panel);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, s.c, row);
  if constexpr (kAlong) _tile_stored(1, s.c + kPanelLines, row);
  if constexpr (kDown) _tile_stored(2, below, row);
  if constexpr (kDown && kAlong) _tile_stored(3, below + kPanelLines, row);
}

constexpr TileUnit kAmx = {
    begin_amx, end_amx, {{amx_sums<1, 1>, amx_sums<1, 2>}, {amx_sums<2, 1>, amx_sums<2, 2>}}};

}  // namespace
