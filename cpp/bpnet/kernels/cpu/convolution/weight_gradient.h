// The gradient of a convolution's weights: at every position the patch times the gradient of the output. A
// task has a block of the patch's elements and a part of the positions; the sums of the parts are added in
// order.
#pragma once

#include "bpnet/kernels/cpu/convolution/weights.h"
#include "bpnet/kernels/cpu/product/gemm.h"
#include "bpnet/kernels/cpu/product/span_tile.h"

namespace {

constexpr size_t kGradientBlock = 24 * kTileRows;                   // elements of the patch, at most
constexpr size_t kGradientPositions = 256;                          // gathered at a time
constexpr size_t kGradientTasks = 32;                               // about this many
constexpr size_t kGradientSums = (size_t{1} << 23) / sizeof(real);  // of all parts, where there are several

// Rows of sources are read from where they are stored, unless a row of the result is shorter than kLeastSpan
// or a group has fewer channels than kLeastSeen.
constexpr size_t kLeastSpan = 6, kLeastSeen = 16;
constexpr size_t kMostSpans = (kGradientBlock / kLeastSeen + 2) * (kGradientPositions / kLeastSpan + 2);

struct GradientPlan {
  size_t block, blocks;        // of a patch
  size_t length, parts, most;  // positions of a part; parts; of the largest batch
  size_t positions;            // gathered at a time
  size_t tasks;
  bool gathers;  // into scratch of each task
};

inline GradientPlan gradient_plan(const bpnet::ConvolutionSizes& s) {
  const size_t patch = patch_size(s), count = s.n * map_positions(s);
  GradientPlan plan;
  plan.block = round_up(ceil_divide(patch, ceil_divide(patch, kGradientBlock)), kTileRows);
  plan.blocks = ceil_divide(patch, plan.block);
  const size_t wanted =
      larger(1, smaller(kGradientTasks / (s.groups * plan.blocks), kGradientSums / (s.out_channels * patch)));
  plan.length = larger(kGradientPositions, ceil_divide(count, wanted));
  plan.parts = ceil_divide(count, plan.length);
  plan.most = smaller(wanted, ceil_divide(count, kGradientPositions));
  plan.positions = smaller(count, kGradientPositions);
  plan.tasks = smaller(kGradientTasks, s.groups * plan.blocks * plan.most);
  plan.gathers = group_channels(s) < kLeastSeen || s.width.out < kLeastSpan;
  return plan;
}

struct GradientMemory {
  real* sums;     // (most, groups, patch, outputs of the group)
  real* bias;     // (most, out_channels)
  real* patches;  // (tasks, positions, block), or nothing
};

inline GradientMemory gradient_memory(Scratch& scratch, const bpnet::ConvolutionSizes& s) {
  const GradientPlan plan = gradient_plan(s);
  return {scratch.take<real>(plan.most * s.out_channels * patch_size(s)),
          scratch.take<real>(plan.most * s.out_channels),
          scratch.take<real>(plan.gathers ? plan.tasks * plan.positions * plan.block : 0)};
}

// The sums of a packed panel's columns, (depth, kTileColumns), are added to `sums`, or overwrite them.
inline void add_panel(const real* panel, size_t depth, size_t columns, real* sums, bool add) {
  vec sum[kTileVectors] = {};
  for (size_t p = 0; p < depth; ++p) {
    for (size_t v = 0; v < kTileVectors; ++v) sum[v] += load(panel + p * kTileColumns + v * kLanes);
  }
  real total[kTileColumns];
  for (size_t v = 0; v < kTileVectors; ++v) store(total + v * kLanes, sum[v]);
  for (size_t j = 0; j < columns; ++j) sums[j] = (add ? sums[j] : real(0)) + total[j];
}

struct GradientTask {
  Window window;
  const real *sources, *grad_y;  // of the group
  size_t columns, stride;        // outputs of the group; of all
  size_t k0, k1;                 // of the patch
  size_t begin, end, together;   // positions, and how many at a time
  real *sums, *bias;             // (k1 − k0, columns); null, or (columns,)
};

// Rows of one tap's sources for a band of positions.
struct TapSpans {
  size_t k, rows;  // of the patch
  size_t first, count;
};

struct SpanList {
  Span span[kMostSpans];
  TapSpans tap[kGradientBlock / kLeastSeen + 2];
  size_t taps;
  size_t stride;  // from one position's sources to the next
};

// The spans of tap (ky, kx) and positions begin … end−1, appended from index `count` on; returns the new
// count.
inline size_t add_spans(const GradientTask& t, size_t tap, size_t channel, size_t begin, size_t end,
                        SpanList& list, size_t count) {
  const WindowSide &h = t.window.height, &w = t.window.width;
  const ptrdiff_t down = ptrdiff_t(tap / w.taps) * h.from_step + h.from;
  const ptrdiff_t across = ptrdiff_t(tap % w.taps) * w.from_step + w.from;
  // Positions x0 … x1−1 of a row have a source.
  const size_t x0 = across < 0 ? ceil_divide(size_t(-across), w.step) : 0;
  const ptrdiff_t sources = ptrdiff_t(w.sources) - across;
  const size_t x1 = sources > 0 ? smaller(w.count, ceil_divide(size_t(sources), w.step)) : 0;
  for (size_t p = begin; p < end;) {
    const Position at = position_of(t.window, p);
    const size_t length = smaller(w.count - at.x, end - p);
    const size_t first = larger(at.x, x0), last = smaller(at.x + length, x1);
    const ptrdiff_t y = ptrdiff_t(at.y * h.step) + down;
    if (first < last && size_t(y) < h.sources) {
      const size_t row = at.n * h.sources + size_t(y), x = size_t(ptrdiff_t(first * w.step) + across);
      list.span[count++] = {t.sources + (row * w.sources + x) * t.window.channels + channel,
                            p - begin + first - at.x, last - first};
    }
    p += length;
  }
  return count;
}

__attribute__((noinline)) void find_spans(const GradientTask& t, size_t begin, size_t end, SpanList& list) {
  const size_t seen = t.window.seen;
  size_t count = 0;
  list.taps = 0;
  list.stride = t.window.width.step * t.window.channels;
  for (size_t k = t.k0; k < t.k1;) {
    const size_t channel = k % seen, rows = smaller(seen - channel, t.k1 - k), first = count;
    count = add_spans(t, k / seen, channel, begin, end, list, count);
    list.tap[list.taps++] = {k - t.k0, rows, first, count - first};
    k += rows;
  }
}

// The sources of the next band of positions, prefetched while this one is multiplied.
struct Ahead {
  const char* at;
  size_t step;  // bytes for each element of a tile's depth
};

inline const char* center_of(const GradientTask& t, size_t position) {
  const Position at = position_of(t.window, position);
  const WindowSide &h = t.window.height, &w = t.window.width;
  const size_t y = smaller(h.sources - 1, at.y * h.step), x = smaller(w.sources - 1, at.x * w.step);
  const size_t source = (at.n * h.sources + y) * w.sources + x;
  return reinterpret_cast<const char*>(t.sources + source * t.window.channels);
}

// The next panel of the outputs' gradients is prefetched during as many of a panel's first tiles as it has
// cache lines.
constexpr size_t kPanelLines = kTileColumns * sizeof(real) / kCacheLine;
inline bool reads_panels_ahead(const GradientTask& t) {
  return ceil_divide(t.k1 - t.k0, kTileRows) > 2 * kPanelLines;
}

inline Ahead sources_ahead(const GradientTask& t, size_t position, size_t depth) {
  const size_t next = position + depth, end = smaller(t.end, next + depth);
  if (next >= end) return {center_of(t, position), 0};
  const char* const at = center_of(t, next);
  const size_t tiles = ceil_divide(t.k1 - t.k0, kTileRows) - (reads_panels_ahead(t) ? kPanelLines : 0);
  const size_t elements = tiles * ceil_divide(t.columns, kTileColumns) * depth;
  return {at, smaller(kCacheLine, ceil_divide(size_t(center_of(t, end - 1) - at), elements))};
}

// Of the panel after the one of columns j … of positions from `position` on.
inline Ahead panel_ahead(const GradientTask& t, size_t position, size_t depth, size_t j) {
  const bool last = j + kTileColumns >= t.columns;
  const real* const next =
      t.grad_y + (last ? position + depth : position) * t.stride + (last ? 0 : j + kTileColumns);
  return {reinterpret_cast<const char*>(next), t.stride * sizeof(real)};
}

// The sums of one panel of outputs, `columns` of them from `j` on.
inline void multiply_spans(const GradientTask& t, const SpanList& list, const real* panel, size_t depth,
                           size_t j, bool add, Ahead panels, Ahead& sources) {
  const size_t columns = smaller(kTileColumns, t.columns - j);
  TileBuffer buffer;
  size_t lines = reads_panels_ahead(t) ? kPanelLines : 0;
  for (size_t i = 0; i < list.taps; ++i) {
    const TapSpans& tap = list.tap[i];
    for (size_t row = 0; row < tap.rows;) {
      const SpanTileKind& kind = span_tile_for(tap.rows - row);
      const Ahead ahead = lines ? panels : sources;
      const SpanTile tile = {list.span + tap.first, tap.count, row, list.stride, panel, ahead.at, ahead.step};
      if (lines) {
        panels.at += kCacheLine;
        --lines;
      } else {
        sources.at += sources.step * depth;
      }
      const TileOutput out = {t.sums + (tap.k + row) * t.columns + j, t.columns, add};
      if (has_tile(kind, columns)) {
        kind.product[columns > kLanes](tile, out);
      } else {
        kind.product[columns > kLanes || !kind.product[0]](tile, {buffer.value, kTileColumns, false});
        copy_tile(buffer, kind.rows, columns, out);
      }
      row += kind.rows;
    }
  }
}

// patches: scratch where they are gathered, else null.
__attribute__((noinline)) void multiply_gradient(const GradientTask& t, real* patches) {
  alignas(64) real panel[kGradientPositions * kTileColumns];
  SpanList list;
  const size_t rows = t.k1 - t.k0;
  for (size_t p = t.begin; p < t.end; p += t.together) {
    const size_t depth = smaller(t.together, t.end - p);
    const bool add = p > t.begin;
    if (patches) {
      gather_rows(t.window, t.sources, p, depth, t.k0, t.k1, patches, rows);
      list.span[0] = {patches, 0, depth};
      list.tap[0] = {0, rows, 0, 1};
      list.taps = 1;
      list.stride = rows;
    } else {
      find_spans(t, p, p + depth, list);
    }
    Ahead ahead = sources_ahead(t, p, depth);
    for (size_t j = 0; j < t.columns; j += kTileColumns) {
      const size_t columns = smaller(kTileColumns, t.columns - j);
      pack_panel<kTileColumns>(t.grad_y + p * t.stride + j, 1, t.stride, columns, depth, panel);
      if (t.bias) add_panel(panel, depth, columns, t.bias + j, add);
      multiply_spans(t, list, panel, depth, j, add, panel_ahead(t, p, depth, j), ahead);
    }
  }
}

// kLanes rows of grad_w, `stride` apart, = or += the transposed sums over the parts of from[i], i = 0 …
// kLanes−1.
inline void restore_block(const real* const* from, size_t parts, size_t part_size, real* to, size_t stride,
                          bool accumulate) {
  alignas(64) real sum[kLanes * kLanes], transposed[kLanes * kLanes];
  const real* sums[kLanes];
  real* rows[kLanes];
  for (size_t i = 0; i < kLanes; ++i) {
    vec row = load(from[i]);
    for (size_t part = 1; part < parts; ++part) row += load(from[i] + part * part_size);
    store(sum + i * kLanes, row);
    sums[i] = sum + i * kLanes;
    rows[i] = accumulate ? transposed + i * kLanes : to + i * stride;
  }
  transpose_rows(sums, rows);
  for (size_t i = 0; accumulate && i < kLanes; ++i)
    store(to + i * stride, load(to + i * stride) + load(rows[i]));
}

// grad_w[o][c][t] = or += Σ over the parts of sums[part][(t, c)][o]: kLanes outputs from `o` on, elements
// e0 … e1−1.
__attribute__((noinline)) void restore_outputs(const bpnet::ConvolutionSizes& s, const real* sums,
                                               size_t parts, size_t o, size_t e0, size_t e1, real* grad_w,
                                               bool accumulate) {
  const size_t taps = s.height.kernel * s.width.kernel, in = group_channels(s), out = group_outputs(s);
  const size_t patch = taps * in, count = smaller(kLanes, out - o), part_size = s.out_channels * patch;
  size_t c = e0 / taps, t = e0 % taps;
  for (size_t e = e0; e < e1; e += kLanes) {
    const size_t here = smaller(kLanes, e1 - e);
    const real* from[kLanes] = {};
    for (size_t i = 0; i < here; ++i) {
      from[i] = sums + (t * in + c) * out + o;
      if (++t == taps) t = 0, ++c;
    }
    if (count == kLanes && here == kLanes) {
      restore_block(from, parts, part_size, grad_w + o * patch + e, patch, accumulate);
      continue;
    }
    for (size_t r = 0; r < count; ++r) {
      real* const to = grad_w + (o + r) * patch + e;
      for (size_t i = 0; i < here; ++i) {
        real sum = from[i][r];
        for (size_t part = 1; part < parts; ++part) sum += from[i][part * part_size + r];
        to[i] = accumulate ? to[i] + sum : sum;
      }
    }
  }
}

inline void restore_gradient(const bpnet::ConvolutionSizes& s, const real* sums, size_t parts, real* grad_w,
                             bool accumulate) {
  const size_t out = group_outputs(s), patch = patch_size(s), bands = ceil_divide(out, kLanes);
  const size_t length = round_up(larger(1, kChunk / kLanes), kLanes), lengths = ceil_divide(patch, length);
  run_tasks(s.groups * bands * lengths, s.out_channels * patch < 2 * kChunk, [&](size_t index) {
    const size_t e0 = index % lengths * length, o = index / lengths % bands * kLanes,
                 g = index / lengths / bands;
    restore_outputs(s, sums + g * out * patch, parts, o, e0, smaller(patch, e0 + length),
                    grad_w + g * out * patch, accumulate);
  });
}

inline void weight_gradient(const bpnet::ConvolutionSizes& s, const GradientMemory& memory, const real* x,
                            const real* grad_y, real* grad_w, real* grad_bias, bool accumulate) {
  const GradientPlan plan = gradient_plan(s);
  const size_t patch = patch_size(s), out = group_outputs(s), count = s.n * map_positions(s);
  const size_t tasks = s.groups * plan.blocks * plan.parts, taken = smaller(plan.tasks, tasks);
  const Window window = outputs_window(s);
  run_tasks(taken, s.out_channels * patch * count < kSerialProducts, [&](size_t slot) {
    for (size_t index = slot; index < tasks; index += taken) {
      const size_t k0 = index % plan.blocks * plan.block, k1 = smaller(patch, k0 + plan.block);
      const size_t g = index / plan.blocks % s.groups, part = index / plan.blocks / s.groups;
      const size_t begin = part * plan.length, end = smaller(count, begin + plan.length);
      const size_t together = ceil_divide(end - begin, ceil_divide(end - begin, plan.positions));
      multiply_gradient({window, x + g * window.seen, grad_y + g * out, out, s.out_channels, k0, k1, begin,
                         end, together, memory.sums + ((part * s.groups + g) * patch + k0) * out,
                         grad_bias && k0 == 0 ? memory.bias + part * s.out_channels + g * out : nullptr},
                        plan.gathers ? memory.patches + slot * plan.positions * plan.block : nullptr);
    }
  });
  restore_gradient(s, memory.sums, plan.parts, grad_w, accumulate);
  if (!grad_bias) return;
  for (size_t j = 0; j < s.out_channels; ++j) {
    real sum = accumulate ? grad_bias[j] : real(0);
    for (size_t part = 0; part < plan.parts; ++part) sum += memory.bias[part * s.out_channels + j];
    grad_bias[j] = sum;
  }
}

}  // namespace
