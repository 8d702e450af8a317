// Sums by TDPBF16PS, a whole block of both operands per instruction. tile_model.h says how it rounds.
#pragma once

#include <immintrin.h>

#include "bpnet/kernels/cpu/bfloat16/panels.h"

namespace {

struct alignas(64) TileSettings {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Not on the stack, where GCC drops the stores, since its _tile_loadconfig does not declare that it reads
// them.
constexpr TileSettings kTileSettings;

inline void begin_amx() { _tile_loadconfig(&kTileSettings); }
inline void end_amx() { _tile_release(); }

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
    for (size_t i = 0; i < kA * kPanelLines; ++i) {  // c is not cached, and needed once the sums are computed
      for (size_t j = 0; j < kB; ++j) __builtin_prefetch(s.c + i * s.stride + j * kPanelLines, 1, 3);
    }
    _tile_zero(0);
    if constexpr (kAlong) _tile_zero(1);
    if constexpr (kDown) _tile_zero(2);
    if constexpr (kDown && kAlong) _tile_zero(3);
  }
  const bfloat16* b = s.b;
  for (size_t block = 0; block < s.blocks; ++block, b += kBlockElements) {
    const BlockOfA of_a = block_of_a(s, block);
    const size_t a_line = of_a.line * sizeof(bfloat16);
    _tile_loadd(6, b, 64);
    _tile_loadd(4, of_a.a, a_line);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kAlong) {
      _tile_loadd(7, b + s.b_panel, 64);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (kDown) {
      _tile_loadd(5, of_a.a + kPanelLines * of_a.line, a_line);
      _tile_dpbf16ps(2, 5, 6);
    }
    if constexpr (kDown && kAlong) _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, s.c, row);
  if constexpr (kAlong) _tile_stored(1, s.c + kPanelLines, row);
  if constexpr (kDown) _tile_stored(2, below, row);
  if constexpr (kDown && kAlong) _tile_stored(3, below + kPanelLines, row);
}

constexpr TileUnit kAmx = {
    begin_amx, end_amx, {{amx_sums<1, 1>, amx_sums<1, 2>}, {amx_sums<2, 1>, amx_sums<2, 2>}}};

}  // namespace
