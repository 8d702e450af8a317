// The inner kernel of the matrix product: a tile of the result, held in registers while the elements of a few
// rows of a are broadcast from where they are stored and the rows of b are loaded as vectors.
#pragma once

#include "bpnet/kernels/cpu/product/block_sizes.h"
#include "bpnet/kernels/cpu/product/transpose.h"

namespace {

struct TileInput {
  const real* a;
  size_t a_row, a_depth;  // strides from row to row and along a row
  const real* b;
  size_t b_depth;  // from row to row
  size_t depth;
  const real* start;  // of each row; null: 0
};

struct TileOutput {
  real* c;
  size_t stride;
  bool add;
};

template <size_t kRows, size_t kVectors>
using Tile = vec[kRows][kVectors];

// tile = start + rows of a · columns of b
template <size_t kRows, size_t kVectors>
inline void multiply_tile(const TileInput& in, Tile<kRows, kVectors>& tile) {
#pragma GCC unroll 16
  for (size_t i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) tile[i][v] = in.start ? splat(in.start[i]) : vec{};
  }
  // Rows by threes: a base and up to two strides reach each, so that all addresses stay in registers.
  constexpr size_t kBases = (kRows + 2) / 3;
  const size_t row = in.a_row, a_depth = in.a_depth, b_depth = in.b_depth;
  const real* base[kBases];
#pragma GCC unroll 4
  for (size_t g = 0; g < kBases; ++g) base[g] = in.a + 3 * g * row;
  const real* b = in.b;
  for (size_t p = 0; p < in.depth; ++p, b += b_depth) {
    vec right[kVectors];
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) right[v] = load(b + v * kLanes);
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; ++i) {
      const vec left = splat(base[i / 3][i % 3 * row]);
#pragma GCC unroll 4
      for (size_t v = 0; v < kVectors; ++v) tile[i][v] += left * right[v];
    }
#pragma GCC unroll 4
    for (size_t g = 0; g < kBases; ++g) base[g] += a_depth;
  }
}

// c[i][j] = or += start[i] + Σ_p a[i][p] b[p][j] for whole tiles
template <size_t kRows, size_t kVectors>
void tile_product(const TileInput& in, const TileOutput& out) {
  real* const c = out.c;  // a copy, since stores would make the compiler reload `out`
  const size_t stride = out.stride;
  const bool add = out.add;
  // The tile of c is not cached, and needed when the product is done.
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t v = 0; v < kVectors; ++v) __builtin_prefetch(c + i * stride + v * kLanes, 1, 3);
  }
  Tile<kRows, kVectors> tile;
  multiply_tile(in, tile);
  if (add) {
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
      for (size_t v = 0; v < kVectors; ++v) tile[i][v] += load(c + i * stride + v * kLanes);
    }
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) store(c + i * stride + v * kLanes, tile[i][v]);
  }
}

// Tiles have kTileRows, kMiddleRows, 4, 2 or 1 rows; a matrix's last rows are cut into the smaller ones. A
// tile of two rows is limited by the latency of its few sums: 8 rows are two tiles of 4, not one of 6 and one
// of 2, unless they are in packed panels of 6.
constexpr size_t kMiddleRows = kTileRows > 8 ? 8 : 4;

inline size_t kind_for(size_t rows, bool in_panels) {
  if (rows >= kTileRows && (in_panels || rows != 8)) return 0;
  return rows >= kMiddleRows ? 1 : rows >= 4 ? 2 : rows >= 2 ? 3 : 4;
}

struct TileKind {
  size_t rows;
  void (*product[2])(const TileInput&, const TileOutput&);  // by vectors − 1
};

template <size_t kRows>
constexpr TileKind kTileKind = {kRows, {tile_product<kRows, 1>, tile_product<kRows, 2>}};

constexpr TileKind kTileKinds[] = {kTileKind<kTileRows>, kTileKind<kMiddleRows>, kTileKind<4>, kTileKind<2>,
                                   kTileKind<1>};

inline const TileKind& tile_for(size_t rows, bool in_panels) { return kTileKinds[kind_for(rows, in_panels)]; }

// A tile that is not stored directly: cropped at the matrix's edge, or transposed.
struct TileBuffer {
  static constexpr size_t kRows = (kTileRows + kLanes - 1) / kLanes * kLanes;
  alignas(64) real value[kRows * kTileColumns];
};

// c[i][j] = or += the tile's first `rows` and `columns`
inline void copy_tile(const TileBuffer& tile, size_t rows, size_t columns, const TileOutput& out) {
  for (size_t i = 0; i < rows; ++i) {
    const real* from = tile.value + i * kTileColumns;
    real* to = out.c + i * out.stride;
    for (size_t j = 0; j < columns; ++j) to[j] = out.add ? to[j] + from[j] : from[j];
  }
}

// The first kCount lanes of to = or += sum
template <size_t kCount>
inline void store_sum(vec sum, real* to, bool add) {
  const vec old = add ? load_first<kCount>(to) : vec{};
  store_first<kCount>(to, sum + old);
}

// c[j][i] = or += the tile's first `rows` and `columns`
inline void transpose_tile(const TileBuffer& tile, size_t rows, size_t columns, const TileOutput& out) {
  for (size_t j0 = 0; j0 < columns; j0 += kLanes) {
    for (size_t i0 = 0; i0 < rows; i0 += kLanes) {
      const size_t here = rows - i0 < kLanes ? rows - i0 : kLanes;
      alignas(64) real block[kLanes * kLanes];
      transpose_block(tile.value + i0 * kTileColumns + j0, kTileColumns, block, kLanes);
      for (size_t j = 0; j < kLanes && j0 + j < columns; ++j) {
        const vec sum = load(block + j * kLanes);
        real* to = out.c + (j0 + j) * out.stride + i0;
        if (here == kLanes) {
          store_sum<kLanes>(sum, to, out.add);
        } else if (here == kTileRows % kLanes) {
          store_sum<kTileRows % kLanes>(sum, to, out.add);
        } else {
          for (size_t i = 0; i < here; ++i) to[i] = out.add ? to[i] + sum[i] : sum[i];
        }
      }
    }
  }
}

}  // namespace
