// The product of patches and packed weights, without a matrix of patches: tiles read the sources from where
// they are stored, by a table of pointers to the rows' runs of channels. Each task computes some rows of the
// result.
#pragma once

#include "bpnet/kernels/cpu/convolution/weights.h"
#include "bpnet/kernels/cpu/product/gemm.h"
#include "bpnet/kernels/cpu/product/row_tile.h"

namespace {

// Runs of fewer channels are gathered into rows: a pointer for each would cost more.
constexpr size_t kLeastRun = 16;
constexpr size_t kMostRuns = kMostDepth / kLeastRun + 2;

// Sources that are read once and in order are not cached: the rows of the next tile are prefetched, a part
// before each run; runs are at most this long.
constexpr size_t kPlainRun = 64;

// A source outside the map.
constexpr real kNoSource[kMostDepth] = {};

// Into how many tasks the rows and the columns of the result are cut. A task's weights, a part of the depth
// at a time, stay in the second-level cache; there are at least sixteen tasks, about square, since each reads
// all its rows' sources and columns' weights.
struct WindowTasks {
  size_t rows, columns;
};

inline WindowTasks window_tasks(size_t results, size_t rows, size_t columns, size_t depth) {
  WindowTasks tasks = {larger(1, ceil_divide(rows, 32 * kTileRows)),
                       larger(1, ceil_divide(columns, kBlockColumns))};
  if (results * rows * columns * depth < kSerialProducts) return tasks;
  while (results * tasks.rows * tasks.columns < 16) {
    const size_t tall = ceil_divide(rows, tasks.rows), wide = ceil_divide(columns, tasks.columns);
    if (tall > 2 * kTileRows && (tall >= wide || wide <= 2 * kTileColumns)) {
      tasks.rows *= 2;
    } else if (wide > kTileColumns) {
      tasks.columns *= 2;
    } else {
      break;
    }
  }
  return tasks;
}

// The start of task `index` of `tasks`: each has as many tiles as the others, or one more.
inline size_t task_begin(size_t count, size_t tile, size_t tasks, size_t index) {
  return smaller(count, ceil_divide(count, tile) * index / tasks * tile);
}

// Shared by all tasks of a group and class.
struct WindowProduct {
  Window window;
  const real* sources;  // of the group
  PackedPanels weight;
  real* result;     // of the group
  size_t channels;  // of the result
  size_t height, width;
  Epilogue epilogue;
};

// The channels of one tap in a part of the depth, relative to the source of tap (0, 0): elements first …
// first+depth−1 of the part.
struct Run {
  ptrdiff_t down, across, offset;
  size_t first, depth;
};

struct Runs {
  size_t count;
  Run run[kMostRuns];
};

inline void find_runs(const Window& w, size_t k0, size_t k1, Runs& runs) {
  runs.count = 0;
  if (w.seen < kLeastRun) {  // gathered
    runs.count = k1 > k0;
    runs.run[0] = {0, 0, 0, 0, k1 - k0};
    return;
  }
  const size_t longest = is_plain(w) ? kPlainRun : w.seen;
  for (size_t k = k0; k < k1; ++runs.count) {
    const size_t tap = k / w.seen, c = k % w.seen, depth = smaller(smaller(longest, w.seen - c), k1 - k);
    const ptrdiff_t down = ptrdiff_t(tap / w.width.taps) * w.height.from_step;
    const ptrdiff_t across = ptrdiff_t(tap % w.width.taps) * w.width.from_step;
    const ptrdiff_t offset =
        (down * ptrdiff_t(w.width.sources) + across) * ptrdiff_t(w.channels) + ptrdiff_t(c);
    runs.run[runs.count] = {down, across, offset, k - k0, depth};
    k += depth;
  }
}

// The order of a result's rows. On small maps the same position of several images follows each other, so that
// the rows of a tile have the same taps outside the map.
constexpr size_t kSmallMap = 32 * 32;

inline size_t images_together(const Window& w) {
  return !is_plain(w) && w.height.count * w.width.count <= kSmallMap ? kTileRows : 1;
}

struct RowOrder {
  size_t together;    // images
  size_t begin, end;  // of the group of images
  Position at;
};

inline RowOrder row_order(const Window& w, size_t row) {
  const size_t together = images_together(w), map = w.height.count * w.width.count;
  const size_t begin = row / (together * map) * together, images = smaller(together, w.n - begin);
  const size_t rest = row - begin * map, position = rest / images;
  return {together,
          begin,
          begin + images,
          {begin + rest % images, position / w.width.count, position % w.width.count}};
}

inline void next_row(const Window& w, RowOrder& order) {
  Position& at = order.at;
  if (++at.n < order.end) return;
  at.n = order.begin;
  if (++at.x < w.width.count) return;
  at.x = 0;
  if (++at.y < w.height.count) return;
  at.y = 0;
  at.n = order.begin = order.end;
  order.end = smaller(w.n, order.begin + order.together);
}

inline real* result_row(const WindowProduct& p, const Position& at) {
  const WindowSide &h = p.window.height, &w = p.window.width;
  return p.result +
         ((at.n * p.height + h.first + at.y * h.every) * p.width + w.first + at.x * w.every) * p.channels;
}

// The source of tap (0, 0) of one position.
struct RowSource {
  ptrdiff_t y, x, offset;
};
inline RowSource row_source(const Window& w, const Position& at) {
  const ptrdiff_t y = ptrdiff_t(at.y * w.height.step) + w.height.from;
  const ptrdiff_t x = ptrdiff_t(at.x * w.width.step) + w.width.from;
  const ptrdiff_t row = ptrdiff_t(at.n * w.height.sources) + y;
  return {y, x, (row * ptrdiff_t(w.width.sources) + x) * ptrdiff_t(w.channels)};
}

// The starts of the runs of a tile's rows.
struct TileRuns {
  size_t count;
  const real* a[kMostRuns * kTileRows];  // (count, kTileRows)
  size_t first[kMostRuns], depth[kMostRuns];
};

inline void point_at_sources(const WindowProduct& p, const Runs& runs, const RowSource* row, size_t rows,
                             TileRuns& to) {
  const size_t height = p.window.height.sources, width = p.window.width.sources;
  to.count = 0;
  for (size_t r = 0; r < runs.count; ++r) {
    const Run& run = runs.run[r];
    const real** const a = to.a + to.count * kTileRows;
    size_t within = 0;
    for (size_t i = 0; i < rows; ++i) {
      const bool inside = size_t(row[i].y + run.down) < height && size_t(row[i].x + run.across) < width;
      a[i] = inside ? p.sources + (row[i].offset + run.offset) : kNoSource;
      within += inside;
    }
    if (within == 0) continue;
    to.first[to.count] = run.first;
    to.depth[to.count++] = run.depth;
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
    const real* const from = row[i] + tile.column;
    real* const to = c[i] + tile.column;
    if (columns > kLanes) {  // two vectors, the second may overlap the first
      const size_t second = columns - kLanes;
      vec sum[2] = {load(from), load(from + second)};
      if (add) sum[0] += load(to), sum[1] += load(to + second);
      if (relu) sum[0] = sum[0] < 0 ? vec{} : sum[0], sum[1] = sum[1] < 0 ? vec{} : sum[1];
      store(to, sum[0]);
      store(to + second, sum[1]);
      continue;
    }
    for (size_t j = 0; j < columns; ++j) {
      const real sum = from[j] + (add ? to[j] : real(0));
      to[j] = relu && sum < 0 ? real(0) : sum;
    }
  }
}

// Shared by the tiles of one task: a part k0 … k1−1 of the depth, columns j0 … j1−1.
struct WindowPart {
  const WindowProduct& product;
  size_t k0, k1, j0, j1;
  Runs runs;
  real* gathered;                        // (kTileRows, kMostDepth) where runs are short, else null
  alignas(64) real bias[kBlockColumns];  // of the columns, 0 beyond them
};

// The tile's rows of the result, as many as `kind` has, from `order` on.
inline void multiply_rows(const WindowPart& part, const RowTileKind& kind, RowOrder& order) {
  const WindowProduct& p = part.product;
  TileRuns runs;
  RowSource row[kTileRows];
  real* c[kTileRows];
  for (size_t i = 0; i < kind.rows; ++i, next_row(p.window, order)) {
    c[i] = result_row(p, order.at);
    row[i] = row_source(p.window, order.at);
    if (!part.gathered) continue;
    runs.a[i] = part.gathered + i * kMostDepth;
    gather_row(p.window, p.sources, order.at, part.k0, part.k1, part.gathered + i * kMostDepth);
  }
  const size_t depth = part.k1 - part.k0;
  if (part.gathered) {
    runs.count = part.runs.count;
    runs.first[0] = 0;
    runs.depth[0] = depth;
  } else {
    point_at_sources(p, part.runs, row, kind.rows, runs);
  }
  const bool first = part.k0 == 0, last = part.k1 == p.weight.depth;
  const ActivationKind activation = p.epilogue.activation.kind;
  const real* const panels = depth ? panel_row(p.weight, part.k0, part.j0) : nullptr;
  const bool relu = last && activation == ActivationKind::kRelu;
  RowTile tile = {runs.a, runs.first, runs.depth, runs.count, nullptr, c,
                  0,      !first,     nullptr,    relu,       nullptr, 0};
  const Position& at = order.at;
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
  if (p.epilogue.bias) copy_row(j1 - j0, p.epilogue.bias + j0, part.bias);
  do {
    part.k0 = part.k1;
    part.k1 = smaller(p.weight.depth, part.k0 + p.weight.part);
    find_runs(p.window, part.k0, part.k1, part.runs);
    RowOrder order = row_order(p.window, r0);
    for (size_t r = r0; r < r1;) {
      const RowTileKind& kind = row_tile_for(r1 - r);
      multiply_rows(part, kind, order);
      r += kind.rows;
    }
  } while (part.k1 < p.weight.depth);
}

// Calls product_of(group, class) for every task of a result of `classes` classes, the first of which has the
// most rows.
template <class ProductOf>
inline void run_windows(size_t groups, size_t classes, size_t rows, size_t columns, size_t depth,
                        const ProductOf& product_of) {
  const WindowTasks tasks = window_tasks(groups * classes, rows, columns, depth);
  const bool serial = groups * classes * rows * columns * depth < kSerialProducts;
  run_tasks(groups * classes * tasks.rows * tasks.columns, serial, [&](size_t index) {
    // Tasks of the same columns one after another, since each reads the same weights.
    const size_t part = index / tasks.rows, row = index % tasks.rows, column = part % tasks.columns;
    const WindowProduct product = product_of(part / tasks.columns % groups, part / tasks.columns / groups);
    const size_t count = positions(product.window);
    const size_t r0 = task_begin(count, kTileRows, tasks.rows, row);
    const size_t r1 = task_begin(count, kTileRows, tasks.rows, row + 1);
    const size_t j0 = task_begin(columns, kTileColumns, tasks.columns, column);
    const size_t j1 = task_begin(columns, kTileColumns, tasks.columns, column + 1);
    if (r0 < r1 && j0 < j1) multiply_window(product, r0, r1, j0, j1);
  });
}

}  // namespace
