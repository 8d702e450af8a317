// c = a · b where a has few rows and b is large: a task has a band of b's columns, packs one part of the
// depth after another, and multiplies by each while it is in its second-level cache.
#pragma once

#include "bpnet/kernels/cpu/product/gemm.h"

namespace {

struct BandPlan {
  size_t block, band;  // columns of b whose bands are multiplied together; of a band
  size_t depth;        // of a part
  size_t panel_rows;   // of a, whole panels
};

inline BandPlan band_plan(const GemmSizes& s) {
  BandPlan plan;
  plan.block = ceil_divide(s.n, ceil_divide(s.n, kPackedColumns));
  plan.band = round_up(ceil_divide(plan.block, kBandTasks), kTileColumns);
  plan.block = round_up(plan.block, plan.band);
  plan.depth = round_up(ceil_divide(s.k, ceil_divide(s.k, kDepth)), kLanes);
  plan.panel_rows = round_up(s.m, kTileRows);
  return plan;
}

inline bool runs_in_bands(const GemmSizes& s) {
  return s.m <= kBandRows && s.n >= kBandTasks * kTileColumns && s.n * s.k >= kBandOperand;
}

struct BandMemory {
  real *a, *b;  // (panel_rows, k) and (depth, block), packed one part of the depth at a time
};
inline BandMemory band_memory(Scratch& scratch, const GemmSizes& s) {
  const BandPlan plan = band_plan(s);
  return {scratch.take<real>(plan.panel_rows * s.k), scratch.take<real>(plan.depth * plan.block)};
}

// For a product of up to s.m rows.
inline size_t bands_workspace(GemmSizes s) {
  Scratch scratch = {nullptr};
  s.m = smaller(s.m, kBandRows);
  if (runs_in_bands(s)) band_memory(scratch, s);
  return scratch.bytes;
}

// Panels of `columns` columns of b that are dense along its rows: a row at a time, so that memory is read in
// the longest possible runs.
inline void pack_dense_columns(const real* from, size_t stride, size_t columns, size_t depth, real* panels) {
  constexpr size_t kAhead = 8;  // rows
  for (size_t p = 0; p < depth; ++p, from += stride) {
    for (size_t j = 0; j < columns; j += kLanes) __builtin_prefetch(from + kAhead * stride + j, 0, 2);
    for (size_t j = 0; j < columns; j += kTileColumns) {
      real* const to = panels + j * depth + p * kTileColumns;
      if (columns - j >= kTileColumns) {
        for (size_t v = 0; v < kTileColumns; v += kLanes) store(to + v, load(from + j + v));
      } else {
        for (size_t i = 0; i < kTileColumns; ++i) to[i] = i < columns - j ? from[j + i] : real(0);
      }
    }
  }
}

inline void pack_band(const Operand& b, size_t columns, size_t depth, real* panels) {
  if (b.column_stride == 1) return pack_dense_columns(b.data, b.row_stride, columns, depth, panels);
  for (size_t j = 0; j < columns; j += kTileColumns) {
    pack_panel<kTileColumns>(b.data + j * b.column_stride, b.column_stride, b.row_stride,
                             smaller(kTileColumns, columns - j), depth, panels + j * depth);
  }
}

inline Operand part_of_depth(const Operand& a, size_t k) {
  return {a.data + k * a.column_stride, a.row_stride, a.column_stride};
}

// All panels of a, one part of the depth after another.
inline void pack_rows_of_bands(const GemmSizes& s, const BandPlan& plan, const Operand& a, real* packed) {
  run_tasks(ceil_divide(s.k, plan.depth), s.m * s.k < 2 * kChunk, [&](size_t part) {
    const size_t k0 = part * plan.depth, depth = smaller(plan.depth, s.k - k0);
    const Operand from = part_of_depth(a, k0);
    for (size_t i = 0; i < s.m; i += kTileRows) {
      pack_panel<kTileRows>(from.data + i * from.row_stride, from.row_stride, from.column_stride,
                            smaller(kTileRows, s.m - i), depth, packed + k0 * plan.panel_rows + i * depth);
    }
  });
}

// c (m, n) = act(a · b + bias); c's rows are dense.
__attribute__((noinline)) void multiply_in_bands(bpnet::Context& context, const GemmSizes& s, Operand a,
                                                 Operand b, Result c, Epilogue epilogue) {
  const BandPlan plan = band_plan(s);
  Scratch scratch = {context.scratch};
  const BandMemory memory = band_memory(scratch, s);
  pack_rows_of_bands(s, plan, a, memory.a);
  for (size_t n0 = 0; n0 < s.n; n0 += plan.block) {
    const size_t n1 = smaller(s.n, n0 + plan.block);
    run_tasks(ceil_divide(n1 - n0, plan.band), false, [&](size_t band) {
      const size_t j0 = n0 + band * plan.band, columns = smaller(plan.band, n1 - j0);
      const Operand all = {b.data + j0 * b.column_stride, b.row_stride, b.column_stride};
      Pass pass = {{s.m, columns, 0},
                   a,
                   all,
                   {c.data + j0, c.stride, false, false},
                   true,
                   true,
                   nullptr,
                   memory.b + band * plan.band * plan.depth,
                   nullptr};
      for (size_t k0 = 0; k0 < s.k; k0 += plan.depth) {
        pass.size.k = smaller(plan.depth, s.k - k0);
        pass.b.data = all.data + k0 * b.row_stride;
        pass.packed_a = memory.a + k0 * plan.panel_rows;
        pass.c.accumulate = k0 > 0;
        pack_band(pass.b, columns, pass.size.k, pass.packed_b);
        multiply_block(pass, 0, s.m, 0, columns);
      }
      const Epilogue here = {epilogue.bias ? epilogue.bias + j0 : nullptr, epilogue.activation};
      finish_block(pass.c, here, 0, s.m, 0, columns);
    });
  }
}

}  // namespace
