// Products of windows with a stride of 1 without a copy of the windows. Pixels of the rounded images are
// lines of a at a constant distance, and a window's blocks of 32 along k are at the same offsets from each
// pixel, so tiles are loaded from the images. The pixels at the end of a row are no window's first: their
// sums are computed and dropped. Only blocks that are not contiguous in an image are copied.
#pragma once

#include "bpnet/kernels/cpu/base/scratch.h"
#include "bpnet/kernels/cpu/bfloat16/gemm.h"

namespace {

constexpr size_t kTileElements = kPairLines * kBlockDepth;  // of a copied block
constexpr size_t kColumnBytes = size_t{5} << 17;            // of b: they stay in the second-level cache

struct DirectLines {
  size_t of_row;    // pixels
  size_t of_image;  // from the first window's to the last's
  size_t tiles;     // of an image
};

inline DirectLines direct_lines(const Windows& w) {
  const size_t row = w.row / w.in, image = (w.down.positions - 1) * row + w.along.positions;
  return {row, image, ceil_divide(image, kPairLines)};
}

// Elements of block `block` that are contiguous in the image, 32 but for the last: 0 if they are not.
inline size_t contiguous_block(const Windows& w, size_t block) {
  const WindowStart start = window_start(w, block * kBlockDepth);
  const size_t pixels = w.along.every == 1 ? w.along.taps - start.along : 1;
  return start.down < w.down.taps && pixels * w.in - start.channel >= kBlockDepth;
}

inline size_t copied_blocks(const Windows& w) {
  size_t count = 0;
  for (size_t block = 0; block < ceil_divide(w.row_elements(), kBlockDepth); ++block) {
    count += !contiguous_block(w, block);
  }
  return count;
}

// At most a quarter of the blocks, and a third more lines than there are windows.
inline size_t most_copied_blocks(size_t k) { return ceil_divide(k, kBlockDepth) / 4; }
inline bool is_direct(const Factor& a) {
  if (a.data || a.windows.down.step != 1 || a.windows.along.step != 1) return false;
  const Windows& w = a.windows;
  const size_t lines = round_up(direct_lines(w).of_image, kPanelLines);
  return 3 * lines <= 4 * w.down.positions * w.along.positions &&
         copied_blocks(w) <= most_copied_blocks(w.row_elements());
}

struct DirectCut {
  size_t columns;  // of b that a task multiplies by
  size_t parts;    // of the tiles of all images
  size_t tasks;
};

inline DirectCut direct_cut(size_t tiles, size_t n, size_t k) {
  const size_t fit = kColumnBytes / (round_up(k, kBlockDepth) * sizeof(bfloat16)) / kPairLines * kPairLines;
  const size_t least = round_up(ceil_divide(n, kMostTasks), kPairLines);
  const size_t columns = larger(fit, least), chunks = ceil_divide(n, columns);
  const size_t parts = smaller(tiles, kMostTasks / chunks);
  return {columns, parts, chunks * parts};
}

struct DirectMemory {
  bfloat16* columns;  // the panels of b, unless these are prepared
  ptrdiff_t* blocks;  // TileSums::a_blocks
  bfloat16* copies;   // of each task
};

inline DirectMemory direct_memory(Scratch& scratch, size_t n, size_t k) {
  return {scratch.take<bfloat16>(prepared_elements(n, k)),
          scratch.take<ptrdiff_t>(ceil_divide(k, kBlockDepth)),
          scratch.take<bfloat16>(kMostTasks * most_copied_blocks(k) * kTileElements)};
}

inline size_t direct_workspace(size_t n, size_t k) {
  Scratch scratch = {nullptr};
  direct_memory(scratch, n, k);
  return scratch.bytes;
}

inline void locate_blocks(const Windows& w, ptrdiff_t* blocks) {
  ptrdiff_t copies = 0;
  for (size_t block = 0; block < ceil_divide(w.row_elements(), kBlockDepth); ++block) {
    const WindowStart start = window_start(w, block * kBlockDepth);
    const size_t at = start.down * w.down.every * w.row + start.along * w.along.every * w.in + start.channel;
    blocks[block] = contiguous_block(w, block) ? ptrdiff_t(at) : ~(copies++ * ptrdiff_t(kTileElements));
  }
}

// 32 lines of an image.
struct DirectTile {
  const bfloat16* a;  // the first line
  size_t lines;
  float* rows[kPairLines];  // of c, null for a line that is no window
};

inline DirectTile direct_tile(const Product& p, const DirectLines& lines, size_t index) {
  const Windows& w = p.a.windows;
  const size_t image = index / lines.tiles, first = index % lines.tiles * kPairLines;
  const size_t start = size_t(w.down.first) * w.row + (size_t(w.along.first) + first) * w.in;
  DirectTile tile = {w.x + image * w.image + start, smaller(kPairLines, lines.of_image - first), {}};
  for (size_t i = 0; i < tile.lines; ++i) {
    const size_t y = (first + i) / lines.of_row, x = (first + i) % lines.of_row;
    if (x < w.along.positions) tile.rows[i] = p.c.row((image * w.down.positions + y) * w.along.positions + x);
  }
  return tile;
}

inline void copy_tile_blocks(const Windows& w, const DirectTile& tile, const ptrdiff_t* blocks,
                             bfloat16* copies) {
  const size_t k = w.row_elements();
  for (size_t block = 0; block < ceil_divide(k, kBlockDepth); ++block) {
    if (blocks[block] >= 0) continue;
    const size_t count = smaller(kBlockDepth, k - block * kBlockDepth);
    const WindowStart start = window_start(w, block * kBlockDepth);
    for (size_t i = 0; i < tile.lines; ++i) {
      if (!tile.rows[i]) continue;
      bfloat16 line[3 * kBlockDepth];
      copy_window(w, tile.a + i * w.in, start, count, line);
      zero_run(kBlockDepth - count, line + count);
      copy_blocks(kBlockDepth, line, copies + ~blocks[block] + i * kBlockDepth);
    }
  }
}

inline void finish_tile(const Product& p, const DirectTile& tile, size_t j0, size_t j1) {
  const Finish& finish = p.finish;
  const bool activates = finish.activation.kind != bpnet::ActivationKind::kIdentity;
  bpnet::Context none = {};
  for (size_t i = 0; i < tile.lines; ++i) {
    float* const row = tile.rows[i];
    if (!row) continue;
    if (finish.bias) {
      for (size_t j = j0; j < j1; ++j) row[j] += finish.bias[j];
    }
    if (activates) finish.base->activation_forward(none, finish.activation, j1 - j0, row + j0, row + j0);
  }
}

// Columns j0 … j1−1 of c.
inline void multiply_tile(const Product& p, const DirectTile& tile, const Panels& columns,
                          const ptrdiff_t* blocks, const bfloat16* copies, size_t j0, size_t j1) {
  alignas(64) float sums[kPairLines * kPairLines];
  for (size_t j = j0; j < j1; j += kPairLines) {
    const size_t count = smaller(kPairLines, j1 - j);
    for (size_t i = 0; i < tile.lines; ++i) {  // c is not cached, and needed once the sums are computed
      if (!tile.rows[i]) continue;
      for (size_t x = 0; x < count; x += kPanelLines) __builtin_prefetch(tile.rows[i] + j + x, 1, 3);
    }
    p.unit.sums[tile.lines > kPanelLines][count > kPanelLines](
        {tile.a, columns.of_line(j), p.a.windows.in, columns.panel, ceil_divide(p.size.k, kBlockDepth), sums,
         kPairLines, false, blocks, copies});
    for (size_t i = 0; i < tile.lines; ++i) {
      if (!tile.rows[i]) continue;
      for (size_t x = 0; x < count; ++x) tile.rows[i][j + x] = sums[i * kPairLines + x];
    }
  }
  finish_tile(p, tile, j0, j1);
}

__attribute__((noinline)) void run_direct(const Product& p, Scratch scratch) {
  const Windows& w = p.a.windows;
  const ProductSizes& s = p.size;
  if (s.m == 0 || s.n == 0) return;
  const DirectMemory memory = direct_memory(scratch, s.n, s.k);
  const DirectLines lines = direct_lines(w);
  const size_t tiles = s.m / (w.down.positions * w.along.positions) * lines.tiles;
  const DirectCut cut = direct_cut(tiles, s.n, s.k);
  locate_blocks(w, memory.blocks);
  if (!p.b.prepared) prepare_columns(p.b, s.n, s.k, memory.columns);
  const Panels columns =
      panels_at(p.b.prepared ? p.b : prepared_columns(memory.columns, s.k), true, 0, 0, s.k, memory.columns);
  const bool copied = copied_blocks(w) > 0;
  run_tasks(cut.tasks, s.m * s.n * s.k < kSerialWork, [&](size_t task) {
    const size_t part = task % cut.parts, j0 = task / cut.parts * cut.columns;
    bfloat16* const copies = memory.copies + task * most_copied_blocks(s.k) * kTileElements;
    p.unit.begin();
    for (size_t index = tiles * part / cut.parts; index < tiles * (part + 1) / cut.parts; ++index) {
      const DirectTile tile = direct_tile(p, lines, index);
      if (copied) copy_tile_blocks(w, tile, memory.blocks, copies);
      multiply_tile(p, tile, columns, memory.blocks, copies, j0, smaller(s.n, j0 + cut.columns));
    }
    p.unit.end();
  });
}

// a: windows, or pixels where they are the same.
inline void multiply_windows(const Product& p, Scratch scratch) {
  if (is_direct(p.a)) return run_direct(p, scratch);
  run_product(p, scratch, kMostDepth, false);
}

}  // namespace
