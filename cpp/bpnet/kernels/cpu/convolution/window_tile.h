// A tile of a convolution, held in registers while its factors are read from where they are stored: a row of
// a window is contiguous in channels-last images, so a sum over a window is one over few long runs.
#pragma once

#include "bpnet/kernels/cpu/base/sizes.h"

namespace {

alignas(64) constexpr real kZeros[kLanes] = {};

// c[i][v] = start[i][v] + Σ over the runs s and p < depth of each: a[i] · b[v], all vectors except a, which
// may be one element for all lanes. Strides are in elements. c may be start.
struct WindowTile {
  const real* a;
  size_t a_row, a_depth, a_run;
  const real* b;
  size_t b_vector, b_depth, b_run;
  size_t depth, runs;
  const real* start;
  size_t start_row, start_vector;
  real* c;
  size_t c_row, c_vector;
};

struct ElementFactor {
  vec operator()(const real* p) const { return splat(*p); }
};
struct VectorFactor {
  vec operator()(const real* p) const { return load(p); }
};

template <size_t kRows, size_t kVectors, class Factor>
void window_tile(const WindowTile& tile) {
  vec sum[kRows][kVectors];
#pragma GCC unroll 16
  for (size_t i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (size_t v = 0; v < kVectors; ++v) {
      sum[i][v] = load(tile.start + i * tile.start_row + v * tile.start_vector);
    }
  }
  // Rows and vectors by threes: a base and up to two strides reach each, so that all addresses stay in
  // registers.
  constexpr size_t kBases = (kRows + 2) / 3, kVectorBases = (kVectors + 2) / 3;
  const size_t row = tile.a_row, a_depth = tile.a_depth, vector = tile.b_vector, b_depth = tile.b_depth;
  for (size_t run = 0; run < tile.runs; ++run) {
    const real *base[kBases], *right_base[kVectorBases];
#pragma GCC unroll 8
    for (size_t g = 0; g < kBases; ++g) base[g] = tile.a + run * tile.a_run + 3 * g * row;
#pragma GCC unroll 8
    for (size_t g = 0; g < kVectorBases; ++g) right_base[g] = tile.b + run * tile.b_run + 3 * g * vector;
    for (size_t p = 0; p < tile.depth; ++p) {
      vec right[kVectors];
#pragma GCC unroll 8
      for (size_t v = 0; v < kVectors; ++v) right[v] = load(right_base[v / 3] + v % 3 * vector);
#pragma GCC unroll 16
      for (size_t i = 0; i < kRows; ++i) {
        const vec left = Factor()(base[i / 3] + i % 3 * row);
#pragma GCC unroll 8
        for (size_t v = 0; v < kVectors; ++v) sum[i][v] += left * right[v];
      }
#pragma GCC unroll 8
      for (size_t g = 0; g < kBases; ++g) base[g] += a_depth;
#pragma GCC unroll 8
      for (size_t g = 0; g < kVectorBases; ++g) right_base[g] += b_depth;
    }
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (size_t v = 0; v < kVectors; ++v) store(tile.c + i * tile.c_row + v * tile.c_vector, sum[i][v]);
  }
}

struct WindowTileKind {
  size_t rows, vectors;
  void (*run)(const WindowTile&);
};

template <class Factor, size_t kRows, size_t kVectors>
constexpr WindowTileKind kWindowTile = {kRows, kVectors, window_tile<kRows, kVectors, Factor>};

// The kinds to choose from; the last fits everything.
#if BPNET_VECTOR_BYTES == 64
constexpr WindowTileKind kElementTiles[] = {
    kWindowTile<ElementFactor, 14, 2>, kWindowTile<ElementFactor, 11, 2>, kWindowTile<ElementFactor, 9, 2>,
    kWindowTile<ElementFactor, 7, 2>,  kWindowTile<ElementFactor, 6, 4>,  kWindowTile<ElementFactor, 15, 1>,
    kWindowTile<ElementFactor, 10, 1>, kWindowTile<ElementFactor, 6, 2>,  kWindowTile<ElementFactor, 1, 4>,
    kWindowTile<ElementFactor, 1, 1>};
constexpr WindowTileKind kVectorTiles[] = {kWindowTile<VectorFactor, 3, 5>, kWindowTile<VectorFactor, 4, 2>,
                                           kWindowTile<VectorFactor, 1, 4>, kWindowTile<VectorFactor, 1, 1>};
#else
constexpr WindowTileKind kElementTiles[] = {
    kWindowTile<ElementFactor, 6, 2>, kWindowTile<ElementFactor, 3, 4>, kWindowTile<ElementFactor, 4, 1>,
    kWindowTile<ElementFactor, 1, 4>, kWindowTile<ElementFactor, 1, 1>};
constexpr WindowTileKind kVectorTiles[] = {kWindowTile<VectorFactor, 2, 5>, kWindowTile<VectorFactor, 1, 4>,
                                           kWindowTile<VectorFactor, 1, 1>};
#endif

struct WindowTileKinds {
  const WindowTileKind *begin, *end;
};
constexpr WindowTileKinds kOfElements = {kElementTiles,
                                         kElementTiles + sizeof(kElementTiles) / sizeof(WindowTileKind)};
constexpr WindowTileKinds kOfVectors = {kVectorTiles,
                                        kVectorTiles + sizeof(kVectorTiles) / sizeof(WindowTileKind)};

// The kind that covers rows × vectors in the fewest cycles: a cycle adds two products or loads two vectors,
// and each sum can be added to every fourth cycle.
__attribute__((noinline)) const WindowTileKind& window_tile_for(const WindowTileKinds& kinds, size_t rows,
                                                                size_t vectors) {
  const WindowTileKind* best = kinds.end - 1;
  size_t least = ~size_t{0};
  for (const WindowTileKind* kind = kinds.begin; kind < kinds.end; ++kind) {
    if (kind->rows > rows || kind->vectors > vectors) continue;
    const size_t halves = larger(8, larger(kind->rows * kind->vectors, kind->rows + kind->vectors));
    const size_t cost = ceil_divide(rows, kind->rows) * ceil_divide(vectors, kind->vectors) * halves;
    if (cost < least) {
      best = kind;
      least = cost;
    }
  }
  return *best;
}

// c of rows × vectors, where a tile may overlap the one before it: elements written twice get the same value.
__attribute__((noinline)) void cover_with_tiles(const WindowTile& whole, size_t rows, size_t vectors,
                                                const WindowTileKind& kind) {
  WindowTile tile = whole;
  for (size_t i = 0; i < rows; i += kind.rows) {
    const size_t row = smaller(i, rows - kind.rows);
    for (size_t v = 0; v < vectors; v += kind.vectors) {
      const size_t vector = smaller(v, vectors - kind.vectors);
      tile.a = whole.a + row * whole.a_row;
      tile.b = whole.b + vector * whole.b_vector;
      tile.c = whole.c + row * whole.c_row + vector * whole.c_vector;
      tile.start = whole.start + row * whole.start_row + vector * whole.start_vector;
      kind.run(tile);
    }
  }
}

// c of rows × vectors += the products: each element by exactly one tile, of this kind or, for the remaining
// rows and vectors, of smaller ones.
__attribute__((noinline)) void add_tiles(const WindowTile& whole, size_t rows, size_t vectors,
                                         const WindowTileKinds& kinds, const WindowTileKind& kind) {
  const size_t whole_rows = rows / kind.rows * kind.rows;
  const size_t whole_vectors = vectors / kind.vectors * kind.vectors;
  WindowTile tile = whole;
  tile.start_row = tile.c_row;
  tile.start_vector = tile.c_vector;
  for (size_t i = 0; i < whole_rows; i += kind.rows) {
    for (size_t v = 0; v < whole_vectors; v += kind.vectors) {
      tile.a = whole.a + i * whole.a_row;
      tile.b = whole.b + v * whole.b_vector;
      tile.start = tile.c = whole.c + i * whole.c_row + v * whole.c_vector;
      kind.run(tile);
    }
  }
  const size_t rest_rows = rows - whole_rows, rest_vectors = vectors - whole_vectors;
  if (rest_vectors > 0) {
    tile = whole;
    tile.b += whole_vectors * whole.b_vector;
    tile.c += whole_vectors * whole.c_vector;
    add_tiles(tile, whole_rows, rest_vectors, kinds, window_tile_for(kinds, whole_rows, rest_vectors));
  }
  if (rest_rows > 0) {
    tile = whole;
    tile.a += whole_rows * whole.a_row;
    tile.c += whole_rows * whole.c_row;
    add_tiles(tile, rest_rows, vectors, kinds, window_tile_for(kinds, rest_rows, vectors));
  }
}

}  // namespace
