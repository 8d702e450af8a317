// The product of patches and packed weights, without a matrix of patches: tiles read the sources from where
// they are stored, by a table of pointers to the rows' runs of channels. A task keeps its rows of the result.
#pragma once

#include "bpnet/kernels/cpu/convolution/weights.h"
#include "bpnet/kernels/cpu/product/gemm.h"
#include "bpnet/kernels/cpu/product/row_tile.h"

namespace {

// Runs of fewer channels are gathered into rows: a pointer each would cost more.
constexpr size_t kLeastRun = 16;
constexpr size_t kMostRuns = kMostDepth / kLeastRun + 2;

// Sources that are read once and in order come from far away: the rows of the next tile are read ahead, a
// little before each run, which is no longer than this.
constexpr size_t kPlainRun = 64;

// A source outside the map.
constexpr real kNoSource[kMostDepth] = {};

// A task's rows and columns of the result. Its weights, a part of the depth at a time, stay in the
// second-level cache; there are sixteen tasks at least, about square, since each reads all its rows' sources
// and columns' weights.
struct WindowTask {
  size_t rows, columns;
};

inline WindowTask window_task(size_t results, size_t rows, size_t columns, size_t depth) {
  size_t row_tasks = larger(1, ceil_divide(rows, 32 * kTileRows));
  size_t column_tasks = larger(1, ceil_divide(columns, kBlockColumns));
  const auto task = [&] {
    return WindowTask{round_up(ceil_divide(rows, row_tasks), kTileRows),
                      round_up(ceil_divide(columns, column_tasks), kTileColumns)};
  };
  if (results * rows * columns * depth < kSerialProducts) return task();
  while (results * row_tasks * column_tasks < 16) {
    const WindowTask now = task();
    if (now.rows > 2 * kTileRows && (now.rows >= now.columns || now.columns <= 2 * kTileColumns)) {
      row_tasks *= 2;
    } else if (now.columns > kTileColumns) {
      column_tasks *= 2;
    } else {
      break;
    }
  }
  return task();
}

// What all tasks of a group and class share.
struct WindowProduct {
  Window window;
  const real* sources;  // of the group
  PackedPanels weight;
  real* result;     // of the group
  size_t channels;  // of the result
  size_t height, width;
  Epilogue epilogue;
};

// Channels of one tap that a part of the depth has, from the source of tap (0, 0) on.
struct Run {
  ptrdiff_t down, across, offset;
};

struct Runs {
  size_t count;
  size_t depth[kMostRuns];
  Run run[kMostRuns];
};

inline void find_runs(const Window& w, size_t k0, size_t k1, Runs& runs) {
  runs.count = 0;
  if (w.seen < kLeastRun) {  // gathered
    runs.count = k1 > k0;
    runs.depth[0] = k1 - k0;
    return;
  }
  const size_t longest = is_plain(w) ? kPlainRun : w.seen;
  for (size_t k = k0; k < k1; ++runs.count) {
    const size_t tap = k / w.seen, c = k % w.seen, depth = smaller(smaller(longest, w.seen - c), k1 - k);
    const ptrdiff_t down = ptrdiff_t(tap / w.width.taps) * w.height.from_step;
    const ptrdiff_t across = ptrdiff_t(tap % w.width.taps) * w.width.from_step;
    const ptrdiff_t offset =
        (down * ptrdiff_t(w.width.sources) + across) * ptrdiff_t(w.channels) + ptrdiff_t(c);
    runs.depth[runs.count] = depth;
    runs.run[runs.count] = {down, across, offset};
    k += depth;
  }
}

inline real* result_row(const WindowProduct& p, const Position& at) {
  const WindowSide &h = p.window.height, &w = p.window.width;
  return p.result +
         ((at.n * p.height + h.first + at.y * h.every) * p.width + w.first + at.x * w.every) * p.channels;
}

// a[run · kTileRows] for the runs of one position.
inline void point_at_sources(const WindowProduct& p, const Runs& runs, const Position& at, const real** a) {
  const WindowSide &h = p.window.height, &w = p.window.width;
  const ptrdiff_t y = ptrdiff_t(at.y * h.step) + h.from, x = ptrdiff_t(at.x * w.step) + w.from;
  const ptrdiff_t row = ptrdiff_t(at.n * h.sources) + y;
  const ptrdiff_t first = (row * ptrdiff_t(w.sources) + x) * ptrdiff_t(p.window.channels);
  for (size_t i = 0; i < runs.count; ++i, a += kTileRows) {
    const Run& run = runs.run[i];
    const bool within = size_t(y + run.down) < h.sources && size_t(x + run.across) < w.sources;
    *a = within ? p.sources + (first + run.offset) : kNoSource;
  }
}

// The first columns of a tile that ends within a vector.
__attribute__((noinline)) void cut_tile(const RowTileKind& kind, RowTile tile, size_t columns) {
  TileBuffer buffer;
  real* row[kTileRows];
  for (size_t i = 0; i < kTileRows; ++i) row[i] = buffer.value + i * kTileColumns - tile.column;
  real* const* const c = tile.c;
  const bool add = tile.add, relu = tile.relu;
  tile.c = row;
  tile.add = tile.relu = false;
  kind.product[columns > kLanes || !kind.product[0]](tile);
  for (size_t i = 0; i < kind.rows; ++i) {
    real* const to = c[i] + tile.column;
    for (size_t j = 0; j < columns; ++j) {
      const real sum = row[i][tile.column + j] + (add ? to[j] : real(0));
      to[j] = relu && sum < 0 ? real(0) : sum;
    }
  }
}

// What the tiles of one task share: a part k0 … k1−1 of the depth, columns j0 … j1−1.
struct WindowPart {
  const WindowProduct& product;
  size_t k0, k1, j0, j1;
  Runs runs;
  real* gathered;                        // (kTileRows, kMostDepth) where runs are short, else null
  alignas(64) real bias[kBlockColumns];  // of the columns, 0 beyond them
};

// As many rows of the result from `at` on as `kind` has.
inline void multiply_rows(const WindowPart& part, const RowTileKind& kind, Position& at) {
  const WindowProduct& p = part.product;
  const real* a[kMostRuns * kTileRows];
  real* c[kTileRows];
  for (size_t i = 0; i < kind.rows; ++i, advance(p.window, at)) {
    c[i] = result_row(p, at);
    if (!part.gathered) {
      point_at_sources(p, part.runs, at, a + i);
      continue;
    }
    a[i] = part.gathered + i * kMostDepth;
    gather_row(p.window, p.sources, at, part.k0, part.k1, part.gathered + i * kMostDepth);
  }
  const size_t depth = part.k1 - part.k0;
  const bool first = part.k0 == 0, last = part.k1 == p.weight.depth;
  const ActivationKind activation = p.epilogue.activation.kind;
  const real* const panels = depth ? panel_row(p.weight, part.k0, part.j0) : nullptr;
  const bool relu = last && activation == ActivationKind::kRelu;
  RowTile tile = {a, part.runs.depth, part.runs.count, nullptr, c, 0, !first, nullptr, relu, nullptr, 0};
  if (is_plain(p.window) && depth && at.n < p.window.n) {
    const size_t next = (at.n * p.window.height.count + at.y) * p.window.width.count + at.x;
    const size_t tiles = ceil_divide(part.j1 - part.j0, kTileColumns);
    tile.ahead = reinterpret_cast<const char*>(p.sources + next * p.window.channels);
    tile.ahead_step = ceil_divide(kTileRows * p.window.channels * sizeof(real), depth * tiles);
  }
  for (size_t j = part.j0; j < part.j1; j += kTileColumns) {
    const size_t columns = smaller(kTileColumns, part.j1 - j);
    tile.b = panels + (j - part.j0) * depth;
    tile.column = j;
    if (first && p.epilogue.bias) tile.start = part.bias + (j - part.j0);
    if (has_tile(kind, columns)) {
      kind.product[columns > kLanes](tile);
    } else {
      cut_tile(kind, tile, columns);
    }
    tile.ahead += tile.ahead_step * depth;
  }
  if (!last || activation == ActivationKind::kRelu || activation == ActivationKind::kIdentity) return;
  for (size_t i = 0; i < kind.rows; ++i) {
    activate(p.epilogue.activation, part.j1 - part.j0, c[i] + part.j0, c[i] + part.j0);
  }
}

// Rows r0 … r1−1 and columns j0 … j1−1 of the result.
__attribute__((noinline)) void multiply_window(const WindowProduct& p, size_t r0, size_t r1, size_t j0,
                                               size_t j1) {
  alignas(64) real gathered[kTileRows * kMostDepth];
  WindowPart part = {p, 0, 0, j0, j1, {}, p.window.seen < kLeastRun && p.weight.depth ? gathered : nullptr,
                     {}};
  if (p.epilogue.bias) copy_vectors(j1 - j0, p.epilogue.bias + j0, part.bias);
  do {
    part.k0 = part.k1;
    part.k1 = smaller(p.weight.depth, part.k0 + p.weight.part);
    find_runs(p.window, part.k0, part.k1, part.runs);
    Position at = position_of(p.window, r0);
    for (size_t r = r0; r < r1;) {
      const RowTileKind& kind = row_tile_for(r1 - r);
      multiply_rows(part, kind, at);
      r += kind.rows;
    }
  } while (part.k1 < p.weight.depth);
}

// Calls product_of(group, class) for every task of a result of `classes` classes, the first of which has the
// most rows.
template <class ProductOf>
inline void run_windows(size_t groups, size_t classes, size_t rows, size_t columns, size_t depth,
                        const ProductOf& product_of) {
  const WindowTask task = window_task(groups * classes, rows, columns, depth);
  const size_t row_tasks = ceil_divide(rows, task.rows), column_tasks = ceil_divide(columns, task.columns);
  const bool serial = groups * classes * rows * columns * depth < kSerialProducts;
  run_tasks(groups * classes * row_tasks * column_tasks, serial, [&](size_t index) {
    // Those of the same columns one after another, since the weights are read again by each.
    const size_t part = index / row_tasks, r0 = index % row_tasks * task.rows;
    const WindowProduct product = product_of(part / column_tasks % groups, part / column_tasks / groups);
    const size_t r1 = smaller(positions(product.window), r0 + task.rows);
    const size_t j0 = part % column_tasks * task.columns, j1 = smaller(columns, j0 + task.columns);
    if (r0 < r1) multiply_window(product, r0, r1, j0, j1);
  });
}

}  // namespace
