// A tile of a product whose left rows and result's rows are given by pointers: the inner kernel of a
// convolution that reads its inputs from where they are stored.
#pragma once

#include "bpnet/kernels/cpu/product/tile.h"

namespace {

// Runs of the depth; in each of them every row of a is dense.
struct RowTile {
  const real* const* a;  // (runs, kTileRows): the start of a row's run
  const size_t* first;   // (runs,): row of b
  const size_t* depth;   // (runs,)
  size_t runs;
  const real* b;      // a packed panel, (depth, kTileColumns)
  real* const* c;     // (kTileRows,)
  size_t column;      // of c's rows
  bool add;           // to c
  const real* start;  // (kTileColumns,): initial value of every row; null: 0
  bool relu;          // last
  // Prefetched into the second-level cache before each run: ahead_step bytes for each element of its depth.
  const char* ahead;
  size_t ahead_step;
};

// sum[i] += Σ_p a[i][p] b[p] of one run
template <size_t kRows, size_t kVectors>
inline void add_run(const real* const* a, size_t depth, const real* b, Tile<kRows, kVectors>& sum) {
  const real* row[kRows];
#pragma GCC unroll 16
  for (size_t i = 0; i < kRows; ++i) {
    row[i] = a[i] + depth;
    asm("" : "+r"(row[i]));
  }
  // The ends of the rows and one index use all registers: hiding their origin from the compiler keeps it from
  // using more.
  for (ptrdiff_t p = -ptrdiff_t(depth); p < 0; ++p, b += kTileColumns) {
    asm("" : "+r"(p));
    vec right[kVectors];
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) right[v] = load(b + v * kLanes);
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; ++i) {
      const vec left = splat(row[i][p]);
#pragma GCC unroll 4
      for (size_t v = 0; v < kVectors; ++v) sum[i][v] += left * right[v];
    }
  }
}

template <size_t kRows, size_t kVectors>
void row_tile(const RowTile& tile) {
  const RowTile t = tile;  // a copy, since stores would make the compiler reload it
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t v = 0; v < kVectors; ++v) __builtin_prefetch(t.c[i] + t.column + v * kLanes, 1, 3);
  }
  Tile<kRows, kVectors> sum;
#pragma GCC unroll 16
  for (size_t i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) sum[i][v] = t.start ? load(t.start + v * kLanes) : vec{};
  }
  const char* ahead = t.ahead;
  for (size_t run = 0; run < t.runs; ++run) {
    const size_t bytes = t.depth[run] * t.ahead_step;
    for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(ahead + at, 0, 2);
    ahead += bytes;
    add_run<kRows, kVectors>(t.a + run * kTileRows, t.depth[run], t.b + t.first[run] * kTileColumns, sum);
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < kRows; ++i) {
    real* const to = t.c[i] + t.column;
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) {
      vec value = sum[i][v];
      if (t.add) value += load(to + v * kLanes);
      if (t.relu) value = value < 0 ? vec{} : value;
      store(to + v * kLanes, value);
    }
  }
}

struct RowTileKind {
  size_t rows;
  void (*product[2])(const RowTile&);  // by vectors − 1; null where there is none
};

template <size_t kRows>
constexpr RowTileKind kRowTileKind = {kRows, {nullptr, row_tile<kRows, 2>}};
template <>
constexpr RowTileKind kRowTileKind<kTileRows> = {kTileRows, {row_tile<kTileRows, 1>, row_tile<kTileRows, 2>}};

// Whether a tile of this many columns is stored directly.
inline bool has_tile(const RowTileKind& kind, size_t columns) {
  return columns == kTileColumns || (columns == kLanes && kind.product[0]);
}

constexpr RowTileKind kRowTileKinds[] = {kRowTileKind<kTileRows>, kRowTileKind<kMiddleRows>, kRowTileKind<4>,
                                         kRowTileKind<2>, kRowTileKind<1>};

inline const RowTileKind& row_tile_for(size_t rows) { return kRowTileKinds[kind_for(rows, false)]; }

}  // namespace
