// Convolution of few channels into whole vectors of channels: a row of a window is contiguous where the image
// is stored, so its elements are broadcast from there, without patches. Maps that are padded are copied
// first, a few rows at a time.
#pragma once

#include "bpnet/kernels/cpu/activation.h"
#include "bpnet/kernels/cpu/base/parts.h"
#include "bpnet/kernels/cpu/base/rows.h"
#include "bpnet/kernels/cpu/base/scratch.h"
#include "bpnet/kernels/cpu/convolution/shapes.h"
#include "bpnet/kernels/cpu/convolution/window_tile.h"

namespace {

// With more channels matrix products are faster.
constexpr size_t kRowChannels = 8;

inline bool runs_on_rows(const bpnet::ConvolutionSizes& s) {
  return s.groups == 1 && s.channels <= kRowChannels && s.out_channels % kLanes == 0 && s.width.dilation == 1;
}

inline size_t padded_columns(const bpnet::WindowAxis& w) { return (w.out - 1) * w.stride + w.kernel; }
inline size_t rows_seen(const bpnet::WindowAxis& h, size_t rows) {  // for this many rows of outputs
  return (rows - 1) * h.stride + (h.kernel - 1) * h.dilation + 1;
}
inline bool is_padded(const bpnet::WindowAxis& a) { return a.before > 0 || rows_seen(a, a.out) > a.in; }
inline bool is_padded(const bpnet::ConvolutionSizes& s) { return is_padded(s.height) || is_padded(s.width); }

// Whether row ky of the window of output o is within the map.
inline bool sees_row(const bpnet::WindowAxis& h, size_t o, size_t ky) {
  return o * h.stride + ky * h.dilation - h.before < h.in;  // above the map it wraps beyond h.in
}

// A unit of work: some rows of outputs of an image.
struct RowUnit {
  size_t image, begin, end;
};
struct RowWork {
  size_t rows, bands;  // of a unit, units of an image
  size_t units;        // enough for a task
  Parts parts;         // of units, each with separate scratch
};

struct RowMemory {
  real* maps;  // (rows that a unit reads, padded columns, channels)
  real* sums;  // (taps, out_channels) of the gradient of the weights, then (out_channels,) of the bias
};
__attribute__((noinline)) RowMemory row_memory(Scratch& scratch, const bpnet::ConvolutionSizes& s,
                                               size_t rows) {
  const size_t map = rows_seen(s.height, rows) * padded_columns(s.width) * s.channels;
  return {scratch.take<real>(is_padded(s) ? map : 0),
          scratch.take<real>((patch_size(s) + 1) * s.out_channels)};
}
__attribute__((noinline)) size_t row_bytes(const bpnet::ConvolutionSizes& s, size_t rows) {
  Scratch scratch = {nullptr};
  row_memory(scratch, s, rows);
  return scratch.bytes;
}

// Enough units to make a task, and no more, since work can be interrupted only between tasks.
__attribute__((noinline)) RowWork row_work(const bpnet::ConvolutionSizes& s, size_t least_rows) {
  const size_t row = s.width.out * s.out_channels * patch_size(s);  // multiply-adds
  const size_t rows = smaller(s.height.out, larger(least_rows, ceil_divide(kSerialProducts, row)));
  const size_t bands = ceil_divide(s.height.out, rows), units = larger(1, kSerialProducts / (rows * row));
  return {rows, bands, units, cut_into_parts(s.n * bands, units, row_bytes(s, rows))};
}

inline RowWork forward_row_work(const bpnet::ConvolutionSizes& s) {
  RowWork work = row_work(s, 1);
  // Where units need no scratch there may be more tasks than parts.
  if (!is_padded(s)) work.parts.length = work.units;
  return work;
}

// Rows that pay for reading the sums of the gradient of the weights.
constexpr size_t kLeastGradientRows = 4;
inline RowWork gradient_row_work(const bpnet::ConvolutionSizes& s) { return row_work(s, kLeastGradientRows); }

struct RowScratch {
  real* weight;  // (taps, out_channels)
  Scratch parts;
};
inline RowScratch row_scratch(Scratch& scratch, const bpnet::ConvolutionSizes& s) {
  RowScratch rows = {scratch.take<real>(patch_size(s) * s.out_channels), {}};
  rows.parts = scratch;
  return rows;
}
inline size_t rows_workspace(const bpnet::ConvolutionSizes& s) {
  if (!runs_on_rows(s)) return 0;
  Scratch scratch = {nullptr};
  row_scratch(scratch, s);
  const auto bytes = [&](const RowWork& work) { return work.parts.most * row_bytes(s, work.rows); };
  return scratch.bytes + larger(bytes(forward_row_work(s)), bytes(gradient_row_work(s)));
}

// Calls body(memory, unit, whether it is the first of its part) for every unit.
template <class Body>
inline void each_row_unit(const bpnet::ConvolutionSizes& s, const RowWork& work, Scratch parts,
                          const Body& body) {
  const size_t bytes = row_bytes(s, work.rows);
  run_chunks(s.n * work.bands, work.parts.length, [&](size_t begin, size_t end, size_t part) {
    Scratch scratch = part_of(parts, smaller(part, work.parts.most - 1), bytes);
    const RowMemory memory = row_memory(scratch, s, work.rows);
    for (size_t unit = begin; unit < end; ++unit) {
      const size_t row = unit % work.bands * work.rows;
      body(memory, RowUnit{unit / work.bands, row, smaller(s.height.out, row + work.rows)}, unit == begin);
    }
  });
}

// The rows that a unit reads, from its first one on, and the elements from one to the next.
struct SeenRows {
  const real* first;
  size_t line;
};
__attribute__((noinline)) SeenRows seen_rows(const bpnet::ConvolutionSizes& s, const RowUnit& unit,
                                             const real* x, real* maps) {
  const bpnet::WindowAxis &h = s.height, &w = s.width;
  const size_t in_row = w.in * s.channels, first = unit.begin * h.stride;
  const real* const image = x + unit.image * h.in * in_row;
  if (!is_padded(s)) return {image + first * in_row, in_row};
  const size_t columns = padded_columns(w), line = columns * s.channels;
  const size_t before = smaller(w.before, columns), within = smaller(w.in, columns - before);
  const size_t rows = rows_seen(h, unit.end - unit.begin);
  for (size_t r = 0; r < rows; ++r) {
    real* const to = maps + r * line;
    const size_t row = first + r - h.before;
    const bool inside = row < h.in;  // above the map it wraps beyond h.in
    const size_t left = inside ? before * s.channels : line, count = inside ? within * s.channels : 0;
    fill_zero(left, to);
    if (inside) copy_row(count, image + row * in_row, to + left);
    fill_zero(line - left - count, to + left + count);
  }
  return {maps, line};
}

// (window, channels, out_channels) of w (out_channels, channels, window)
__attribute__((noinline)) void pack_taps(const bpnet::ConvolutionSizes& s, const real* w, real* taps) {
  const size_t window = s.height.kernel * s.width.kernel, patch = patch_size(s);
  run_chunks(s.out_channels, rows_per_chunk(patch), [&](size_t begin, size_t end, size_t) {
    for (size_t j = 0; j < s.channels; ++j) {
      for (size_t t = 0; t < window; ++t) {
        real* const to = taps + (t * s.channels + j) * s.out_channels;
        for (size_t c = begin; c < end; ++c) to[c] = w[c * patch + j * window + t];
      }
    }
  });
}

// grad_w = or += taps, and grad_bias, which may be null, the last out_channels of `taps`.
__attribute__((noinline)) void restore_taps(const bpnet::ConvolutionSizes& s, const real* taps, real* grad_w,
                                            real* grad_bias, bool accumulate) {
  const size_t window = s.height.kernel * s.width.kernel, patch = patch_size(s);
  run_chunks(s.out_channels, rows_per_chunk(patch), [&](size_t begin, size_t end, size_t) {
    for (size_t c = begin; c < end; ++c) {
      for (size_t j = 0; j < s.channels; ++j) {
        for (size_t t = 0; t < window; ++t) {
          real& to = grad_w[c * patch + j * window + t];
          to = taps[(t * s.channels + j) * s.out_channels + c] + (accumulate ? to : real(0));
        }
      }
    }
  });
  for (size_t c = 0; grad_bias && c < s.out_channels; ++c) {
    grad_bias[c] = taps[patch * s.out_channels + c] + (accumulate ? grad_bias[c] : real(0));
  }
}

// Σ_p from[p · stride], vectors
__attribute__((noinline)) vec sum_column(size_t count, const real* from, size_t stride) {
  vec sum[4] = {};
  size_t p = 0;
  for (; p + 4 <= count; p += 4) {
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) sum[i] += load(from + (p + i) * stride);
  }
  for (; p < count; ++p) sum[0] += load(from + p * stride);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

void rows_forward(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const real* x, const real* w,
                  const real* bias, bpnet::Activation act, real* y) {
  Scratch scratch = {context.scratch};
  const RowScratch rows = row_scratch(scratch, s);
  pack_taps(s, w, rows.weight);
  const bpnet::WindowAxis& h = s.height;
  const size_t out = s.out_channels, row = s.width.out * out, vectors = out / kLanes;
  const WindowTileKind& kind = window_tile_for(kOfElements, s.width.out, vectors);
  WindowTile whole = {};
  whole.a_row = s.width.stride * s.channels;
  whole.a_depth = 1;
  whole.b_vector = whole.c_vector = kLanes;
  whole.b_depth = whole.c_row = out;
  whole.depth = s.width.kernel * s.channels;
  whole.b_run = whole.depth * out;
  whole.start = bias ? bias : kZeros;
  whole.start_vector = bias ? kLanes : 0;
  each_row_unit(s, forward_row_work(s), rows.parts, [&](const RowMemory& memory, const RowUnit& unit, bool) {
    const SeenRows seen = seen_rows(s, unit, x, memory.maps);
    WindowTile tile = whole;
    tile.a_run = h.dilation * seen.line;
    for (size_t r = unit.begin; r < unit.end; ++r) {
      const Taps down = taps_within(h, r);
      tile.runs = down.end - down.begin;
      tile.a = seen.first + ((r - unit.begin) * h.stride + down.begin * h.dilation) * seen.line;
      tile.b = rows.weight + down.begin * tile.b_run;
      tile.c = y + (unit.image * h.out + r) * row;
      cover_with_tiles(tile, s.width.out, vectors, kind);
      if (act.kind != bpnet::ActivationKind::kIdentity) activate(act, row, tile.c, tile.c);
    }
  });
}

// Gradients of outputs that are read for each row of the window in turn: rows begin … end−1, columns first …
// first+count−1 of each.
struct RowBlock {
  size_t begin, end, first, count;
};
constexpr size_t kRowBlock = 28 << 10;  // bytes of the block: it stays in the first-level cache

template <class Body>
inline void each_row_block(const bpnet::ConvolutionSizes& s, const RowUnit& unit, size_t vectors,
                           const Body& body) {
  const size_t most = kRowBlock / (vectors * sizeof(vec));
  const size_t rows = larger(1, most / s.width.out);
  const size_t columns = ceil_divide(s.width.out, ceil_divide(s.width.out, most));
  for (size_t r = unit.begin; r < unit.end; r += rows) {
    for (size_t c = 0; c < s.width.out; c += columns) {
      body(RowBlock{r, smaller(unit.end, r + rows), c, smaller(columns, s.width.out - c)});
    }
  }
}

// The sums of a part += those of a block, as many consecutive vectors of outputs as a tile has.
inline void add_row_block(const bpnet::ConvolutionSizes& s, const RowUnit& unit, const RowBlock& block,
                          const SeenRows& seen, const real* grad_y, const WindowTileKind& kind, real* sums) {
  const bpnet::WindowAxis& h = s.height;
  const size_t out = s.out_channels, row = s.width.out * out, taps = s.width.kernel * s.channels;
  WindowTile tile = {};
  tile.a_row = 1;
  tile.a_depth = s.width.stride * s.channels;
  tile.a_run = h.stride * seen.line;
  tile.b_vector = tile.c_vector = kLanes;
  tile.b_depth = tile.c_row = out;
  tile.b_run = row;
  tile.depth = block.count;
  const size_t vectors = out / kLanes, steps = h.kernel * ceil_divide(vectors, kind.vectors);
  for (size_t step = 0; step < steps; ++step) {
    const size_t ky = step % h.kernel, v = step / h.kernel * kind.vectors;
    size_t begin = block.begin, end = block.end;
    while (begin < end && !sees_row(h, begin, ky)) ++begin;
    while (begin < end && !sees_row(h, end - 1, ky)) --end;
    if (begin == end) continue;
    tile.runs = end - begin;
    tile.a = seen.first + ((begin - unit.begin) * h.stride + ky * h.dilation) * seen.line +
             block.first * tile.a_depth;
    tile.b = grad_y + (unit.image * h.out + begin) * row + block.first * out + v * kLanes;
    tile.c = sums + ky * taps * out + v * kLanes;
    add_tiles(tile, taps, smaller(kind.vectors, vectors - v), kOfElements, kind);
  }
}

inline void add_bias_block(const bpnet::ConvolutionSizes& s, const RowUnit& unit, const RowBlock& block,
                           const real* grad_y, real* sums) {
  const size_t out = s.out_channels;
  for (size_t r = block.begin; r < block.end; ++r) {
    const real* const from = grad_y + ((unit.image * s.height.out + r) * s.width.out + block.first) * out;
    for (size_t c = 0; c < out; c += kLanes) {
      store(sums + c, load(sums + c) + sum_column(block.count, from + c, out));
    }
  }
}

void rows_backward_weight(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const real* x,
                          const real* grad_y, real* grad_w, real* grad_bias, bool accumulate) {
  Scratch scratch = {context.scratch};
  const Scratch parts = row_scratch(scratch, s).parts;
  const RowWork work = gradient_row_work(s);
  const size_t out = s.out_channels, weights = patch_size(s) * out;
  const WindowTileKind& kind = window_tile_for(kOfElements, s.width.kernel * s.channels, out / kLanes);
  each_row_unit(s, work, parts, [&](const RowMemory& memory, const RowUnit& unit, bool first) {
    if (first) fill_zero(weights + out, memory.sums);
    const SeenRows seen = seen_rows(s, unit, x, memory.maps);
    each_row_block(s, unit, kind.vectors, [&](const RowBlock& block) {
      if (grad_bias) add_bias_block(s, unit, block, grad_y, memory.sums + weights);
      add_row_block(s, unit, block, seen, grad_y, kind, memory.sums);
    });
  });
  const size_t bytes = row_bytes(s, work.rows);
  const auto sums_of = [&](size_t part) {
    Scratch memory = part_of(parts, part, bytes);
    return row_memory(memory, s, work.rows).sums;
  };
  run_chunks(weights + out, kChunk / 4, [&](size_t begin, size_t end, size_t) {
    for (size_t part = 1; part < work.parts.count; ++part) {
      add_scaled(end - begin, 1, sums_of(part) + begin, sums_of(0) + begin);
    }
  });
  restore_taps(s, sums_of(0), grad_w, grad_bias, accumulate);
}

}  // namespace
