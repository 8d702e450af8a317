// A tile of a product over spans of the depth: in each the left columns are at a constant stride, and the
// tile's rows adjacent. The inner kernel of the gradient of a convolution's weights.
#pragma once

#include "bpnet/kernels/cpu/product/tile.h"

namespace {

struct Span {
  const real* a;  // of its first depth, the tile's rows being a[0], a[1] …
  size_t first;   // row of b
  size_t depth;
};

struct SpanTile {
  const Span* spans;
  size_t count;
  size_t offset, stride;  // into a; from one depth to the next
  const real* b;          // a packed panel
  // Prefetched into the second-level cache: ahead_step bytes for each element of the depth.
  const char* ahead;
  size_t ahead_step;
};

// c = or += Σ over the spans of a[i] · b
template <size_t kRows, size_t kVectors>
void span_tile(const SpanTile& t, const TileOutput& out) {
  real* const c = out.c;
  const size_t stride = out.stride;
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t v = 0; v < kVectors; ++v) __builtin_prefetch(c + i * stride + v * kLanes, 1, 3);
  }
  Tile<kRows, kVectors> sum;
#pragma GCC unroll 16
  for (size_t i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) sum[i][v] = vec{};
  }
  const char* ahead = t.ahead;
  const size_t ahead_step = t.ahead_step;
  for (size_t s = 0; s < t.count; ++s) {
    const Span& span = t.spans[s];
    const real *a = span.a + t.offset, *b = t.b + span.first * kTileColumns;
    for (size_t p = 0; p < span.depth; ++p, a += t.stride, b += kTileColumns) {
      __builtin_prefetch(ahead, 0, 2);
      ahead += ahead_step;
      vec right[kVectors];
#pragma GCC unroll 4
      for (size_t v = 0; v < kVectors; ++v) right[v] = load(b + v * kLanes);
#pragma GCC unroll 16
      for (size_t i = 0; i < kRows; ++i) {
        const vec left = splat(a[i]);
#pragma GCC unroll 4
        for (size_t v = 0; v < kVectors; ++v) sum[i][v] += left * right[v];
      }
    }
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) {
      real* const to = c + i * stride + v * kLanes;
      store(to, out.add ? sum[i][v] + load(to) : sum[i][v]);
    }
  }
}

struct SpanTileKind {
  size_t rows;
  void (*product[2])(const SpanTile&, const TileOutput&);  // by vectors − 1; null where there is none
};

template <size_t kRows>
constexpr SpanTileKind kSpanTileKind = {kRows, {nullptr, span_tile<kRows, 2>}};
template <>
constexpr SpanTileKind kSpanTileKind<kTileRows> = {kTileRows,
                                                   {span_tile<kTileRows, 1>, span_tile<kTileRows, 2>}};

// Whether a tile of this many columns is stored directly.
inline bool has_tile(const SpanTileKind& kind, size_t columns) {
  return columns == kTileColumns || (columns == kLanes && kind.product[0]);
}

constexpr SpanTileKind kSpanTileKinds[] = {kSpanTileKind<kTileRows>, kSpanTileKind<kMiddleRows>,
                                           kSpanTileKind<4>, kSpanTileKind<2>, kSpanTileKind<1>};

inline const SpanTileKind& span_tile_for(size_t rows) { return kSpanTileKinds[kind_for(rows, false)]; }

}  // namespace
