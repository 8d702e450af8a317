// The product of patches and packed weights, without a matrix of patches: a task gathers those of some rows
// and a part of the depth next to the tiles that need them, and keeps its rows of the result.
#pragma once

#include "bpnet/kernels/cpu/convolution/weights.h"
#include "bpnet/kernels/cpu/product/gemm.h"

namespace {

// What a task gathers at a time, on its stack.
constexpr size_t kGathered = (size_t{1} << 16) / sizeof(real);

inline size_t gathered_rows(size_t depth) {
  return larger(1, kGathered / part_depth(depth) / kTileRows) * kTileRows;
}

// A task's rows and columns of the result. It takes more rows than are gathered at a time, so that a part of
// the weights is read from the second-level cache; and there are some thirty where there is enough work.
struct WindowTask {
  size_t rows, columns;
};
constexpr size_t kSlotRows = 8 * kTileRows;
constexpr size_t kSlotColumns = kBlockColumns / 2;
constexpr size_t kSlots = 32;

inline WindowTask window_task(size_t rows, size_t columns, size_t depth, bool in_rows) {
  const size_t column_tasks = ceil_divide(columns, in_rows ? kBlockColumns : kSlotColumns);
  WindowTask task = {in_rows ? 8 * gathered_rows(depth) : kSlotRows,
                     round_up(ceil_divide(columns, column_tasks), kTileColumns)};
  const auto tasks = [&] { return ceil_divide(rows, task.rows) * ceil_divide(columns, task.columns); };
  while (tasks() < 32 && task.rows > 2 * kTileRows) task.rows = round_up(task.rows / 2, kTileRows);
  while (tasks() < 32 && task.columns > 4 * kTileColumns) {
    task.columns = round_up(task.columns / 2, kTileColumns);
  }
  return task;
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

inline bool in_rows(const Window& w) { return w.height.every == 1 && w.width.every == 1; }

// The result's rows begin … begin+count−1 from where a class's were summed to where they are stored.
inline void scatter_rows(const WindowProduct& p, const real* from, size_t begin, size_t count, size_t column,
                         size_t columns) {
  const WindowSide &h = p.window.height, &w = p.window.width;
  size_t x = begin % w.count, y = begin / w.count % h.count, n = begin / w.count / h.count;
  for (size_t r = 0; r < count; ++r) {
    const size_t iy = h.first + y * h.every, ix = w.first + x * w.every;
    copy_vectors(columns, from + r * columns,
                 p.result + ((n * p.height + iy) * p.width + ix) * p.channels + column);
    if (++x == w.count) {
      x = 0;
      if (++y == h.count) y = 0, ++n;
    }
  }
}

// Rows r0 … r1−1 and columns j0 … j1−1 of the result; `slot` holds them where they are not stored in rows.
__attribute__((noinline)) void multiply_window(const WindowProduct& p, size_t r0, size_t r1, size_t j0,
                                               size_t j1, real* slot) {
  alignas(64) real patches[kGathered];
  const Window& w = p.window;
  const size_t columns = j1 - j0, gathered = gathered_rows(p.weight.depth);
  const bool dense = in_rows(w), plain = is_plain(w);
  real* const result = dense ? p.result + r0 * p.channels + j0 : slot;
  const size_t stride = dense ? p.channels : columns;
  if (p.weight.depth == 0) clear_vectors((r1 - r0) * columns, slot);  // of a class that no tap leads to
  for (size_t k0 = 0; k0 < p.weight.depth; k0 += p.weight.part) {
    const size_t k1 = smaller(p.weight.depth, k0 + p.weight.part), depth = k1 - k0;
    for (size_t r = r0; r < r1; r += gathered) {
      const size_t rows = smaller(gathered, r1 - r);
      if (!plain) gather_rows(w, p.sources, r, rows, k0, k1, patches, depth);
      const Operand a =
          plain ? Operand{p.sources + r * w.channels + k0, w.channels, 1} : Operand{patches, depth, 1};
      const Result c = {result + (r - r0) * stride, stride, false, k0 > 0};
      multiply_block(
          {{rows, columns, depth}, a, {}, c, false, true, nullptr, panel_row(p.weight, k0, j0), nullptr}, 0,
          rows, 0, columns);
      if (k1 < p.weight.depth) continue;
      finish_block(c, {p.epilogue.bias ? p.epilogue.bias + j0 : nullptr, p.epilogue.activation}, 0, rows, 0,
                   columns);
    }
  }
  if (!dense) scatter_rows(p, slot, r0, r1 - r0, j0, columns);
}

// Calls product_of(group, class) for every task of a result of `classes` classes, the first of which has the
// most rows. slots: of results that are not stored in rows, (kSlots, kSlotRows, kSlotColumns).
template <class ProductOf>
inline void run_windows(size_t groups, size_t classes, size_t rows, size_t columns, size_t depth, real* slots,
                        const ProductOf& product_of) {
  const WindowTask task = window_task(rows, columns, depth, classes == 1);
  const size_t row_tasks = ceil_divide(rows, task.rows), column_tasks = ceil_divide(columns, task.columns);
  const size_t tasks = groups * classes * row_tasks * column_tasks;
  const size_t taken = classes == 1 ? tasks : smaller(tasks, kSlots);
  run_tasks(taken, groups * classes * rows * columns * depth < kSerialProducts, [&](size_t slot) {
    for (size_t index = slot; index < tasks; index += taken) {
      const size_t part = index / column_tasks, r0 = part % row_tasks * task.rows;
      const size_t g = part / row_tasks % groups, of_class = part / row_tasks / groups;
      const WindowProduct product = product_of(g, of_class);
      const size_t r1 = smaller(positions(product.window), r0 + task.rows);
      const size_t j0 = index % column_tasks * task.columns, j1 = smaller(columns, j0 + task.columns);
      if (r0 < r1) multiply_window(product, r0, r1, j0, j1, slots + slot * kSlotRows * kSlotColumns);
    }
  });
}

}  // namespace
