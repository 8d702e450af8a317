// c (m, n) = or += a (m, k) · b (k, n), blocked after BLIS, with less packing: thin matrices are not packed.
// Each element of c is summed in the same order whatever the number of threads.
#pragma once

#include "bpnet/kernels/cpu/base/chunks.h"
#include "bpnet/kernels/cpu/base/rows.h"
#include "bpnet/kernels/cpu/base/scratch.h"
#include "bpnet/kernels/cpu/product/pack.h"
#include "bpnet/kernels/cpu/product/tile.h"
#include "bpnet/kernels/kernels.h"

namespace {

struct GemmSizes {
  size_t m, n, k;
};

// An operand by strides, one of them 1, so one routine serves a matrix and its transpose.
struct Operand {
  const real* data;
  size_t row_stride, column_stride;
};

// Where the product is written. Transposed: element (i, j) is data[j * stride + i].
struct Result {
  real* data;
  size_t stride;
  bool transposed, accumulate;
};

// Applied last, to the rows of the result as they are stored: row = act(row + bias).
struct Epilogue {
  const real* bias;  // as long as a row, or null
  bpnet::Activation activation;
  const real* start = nullptr;  // (m,) or null: added to every element of row i of a · b
};

constexpr Epilogue kNoEpilogue = {nullptr, {bpnet::ActivationKind::kIdentity, 0}};

void activate(bpnet::Activation act, size_t count, const real* x, real* y);

inline size_t packed_columns(size_t n) {
  return ceil_divide(smaller(n, kPackedColumns), kTileColumns) * kTileColumns;
}

// k of a pass: a panel of b beside a tile's rows of a fits into the first-level cache, or all of a thin b
// into the second, so that few results are added to. All passes are about equal.
inline size_t pass_depth(const GemmSizes& s) {
  const size_t most = s.n < kPackColumns ? larger(kDepth, kThinOperand / packed_columns(s.n)) : kDepth;
  return larger(1, ceil_divide(s.k, ceil_divide(s.k, most)));
}

// Elements of the packed operands. Scratch for the largest n suffices for all.
inline size_t packed_b(const GemmSizes& s) {
  const size_t columns = packed_columns(s.n);
  return smaller(columns * s.k, larger(columns * kDepth, kThinOperand));
}
inline size_t packed_a(const GemmSizes& s) {
  if (s.n < kPackColumns) return 0;
  return ceil_divide(smaller(s.m, kPackedRows), kTileRows) * kTileRows * smaller(s.k, kDepth);
}

struct PackedOperands {
  real *b, *a;
};
inline PackedOperands packed_operands(Scratch& scratch, const GemmSizes& s) {
  return {scratch.take<real>(packed_b(s)), scratch.take<real>(packed_a(s))};
}

inline size_t gemm_workspace(const GemmSizes& s) {
  Scratch scratch = {nullptr};
  packed_operands(scratch, s);
  return scratch.bytes;
}

// The gradient of few weights over a large batch has too few tiles for many threads: k is split into parts,
// each with its own result and packed operands; the results are added in order.
struct Split {
  size_t parts;  // 0: not split
  size_t depth;  // of a part
  size_t bytes;  // of a part's scratch
};

inline Split split_of(const GemmSizes& s) {
  if (s.m * s.n > kSplitResult || s.k < 2 * kSplitDepth || s.m * s.n * s.k < kSerialProducts)
    return {0, 0, 0};
  Split split;
  split.parts = smaller(kSplitParts, s.k / kSplitDepth);
  split.depth = ceil_divide(s.k, split.parts);
  split.parts = ceil_divide(s.k, split.depth);
  Scratch scratch = {nullptr};
  scratch.take<real>(s.m * s.n);
  packed_operands(scratch, {s.m, s.n, kThinOperand});
  split.bytes = scratch.bytes;
  return split;
}

// Scratch of gemm_in_parts for any k up to this one, since it is reserved for the largest batch.
inline size_t gemm_in_parts_workspace(const GemmSizes& s) {
  const Split split = split_of(s);
  return larger(gemm_workspace(s), split.parts * split.bytes);
}

// Rows and columns of one task. Every division gives the same bits; this one gives some thirty tasks for a
// thin product, and tasks that fit the second-level cache for a large one.
struct TaskSizes {
  size_t rows, columns;
};
inline TaskSizes task_sizes(size_t m, size_t n, bool serial) {
  if (serial) return {m, kBlockColumns};
  TaskSizes task = {8 * kTileRows, kBlockColumns};
  const auto tasks = [&] { return ceil_divide(m, task.rows) * ceil_divide(n, task.columns); };
  while (tasks() < 32 && task.rows > 2 * kTileRows) task.rows /= 2;
  while (tasks() < 32 && task.columns > 4 * kTileColumns) task.columns /= 2;
  return task;
}

// For the block of rows i0 … i1−1, columns j0 … j1−1.
inline void finish_block(const Result& c, const Epilogue& epilogue, size_t i0, size_t i1, size_t j0,
                         size_t j1) {
  const bool activates = epilogue.activation.kind != bpnet::ActivationKind::kIdentity;
  if (!epilogue.bias && !activates) return;
  const size_t row = c.transposed ? j0 : i0, rows = c.transposed ? j1 - j0 : i1 - i0;
  const size_t column = c.transposed ? i0 : j0, columns = c.transposed ? i1 - i0 : j1 - j0;
  real* first = c.data + row * c.stride + column;
  for (size_t r = 0; r < rows; ++r) {
    real* to = first + r * c.stride;
    if (epilogue.bias) {
      for (size_t j = 0; j < columns; ++j) to[j] += epilogue.bias[column + j];
    }
    if (activates && columns < c.stride) activate(epilogue.activation, columns, to, to);
  }
  if (activates && columns == c.stride) activate(epilogue.activation, rows * columns, first, first);
}

// One pass over a part of the depth and a band of rows and columns. All panels of b are packed, or only the
// last, where it ends within a vector; of a all or none.
struct Pass {
  GemmSizes size;
  Operand a, b;
  Result c;
  bool packs_a, packs_b;
  real *packed_a, *packed_b;
  const real* start;  // (size.m,) or null
};

inline bool is_packed(const Pass& pass, size_t j) {
  return pass.packs_b || smaller(kTileColumns, pass.size.n - j) % kLanes != 0;
}

inline void pack_b(const Pass& pass, size_t panel) {
  const size_t j = panel * kTileColumns;
  if (!is_packed(pass, j)) return;
  pack_panel<kTileColumns>(pass.b.data + j * pass.b.column_stride, pass.b.column_stride, pass.b.row_stride,
                           smaller(kTileColumns, pass.size.n - j), pass.size.k,
                           pass.packed_b + j * pass.size.k);
}

// Some panels together and a little depth at a time, so that whole cache lines are used while they are
// cached.
constexpr size_t kPackedTogether = 4 * kTileRows;

inline void pack_a(const Pass& pass, size_t group) {
  constexpr size_t kDepthTogether = 64;
  const size_t i0 = group * kPackedTogether, i1 = smaller(pass.size.m, i0 + kPackedTogether);
  for (size_t p = 0; p < pass.size.k; p += kDepthTogether) {
    const size_t depth = smaller(kDepthTogether, pass.size.k - p);
    for (size_t i = i0; i < i1; i += kTileRows) {
      pack_panel<kTileRows>(pass.a.data + i * pass.a.row_stride + p * pass.a.column_stride, pass.a.row_stride,
                            pass.a.column_stride, smaller(kTileRows, i1 - i), depth,
                            pass.packed_a + i * pass.size.k + p * kTileRows);
    }
  }
}

// Rows i0 … i1−1, columns j0 … j1−1. A tile's rows of a stay cached for all panels of b.
inline void multiply_block(const Pass& pass, size_t i0, size_t i1, size_t j0, size_t j1) {
  const size_t k = pass.size.k;
  const Result& c = pass.c;
  TileBuffer buffer = {};
  for (size_t i = i0; i < i1;) {
    const TileKind& kind = tile_for(i1 - i, pass.packs_a);
    TileInput in = {
        pass.a.data + i * pass.a.row_stride,  pass.a.row_stride, pass.a.column_stride, nullptr, 0, k,
        pass.start ? pass.start + i : nullptr};
    if (pass.packs_a) {
      in.a = pass.packed_a + i / kTileRows * kTileRows * k + i % kTileRows;
      in.a_row = 1;
      in.a_depth = kTileRows;
    }
    for (size_t j = j0; j < j1; j += kTileColumns) {
      const size_t columns = smaller(kTileColumns, j1 - j);
      const bool packed = is_packed(pass, j);
      in.b = packed ? pass.packed_b + j * k : pass.b.data + j;
      in.b_depth = packed ? kTileColumns : pass.b.row_stride;
      const auto product = kind.product[columns > kLanes];
      if (!c.transposed && columns % kLanes == 0) {
        product(in, {c.data + i * c.stride + j, c.stride, c.accumulate});
        continue;
      }
      product(in, {buffer.value, kTileColumns, false});
      if (c.transposed) {
        transpose_tile(buffer, kind.rows, columns, {c.data + j * c.stride + i, c.stride, c.accumulate});
      } else {
        copy_tile(buffer, kind.rows, columns, {c.data + i * c.stride + j, c.stride, c.accumulate});
      }
    }
    i += kind.rows;
  }
}

inline void run_pass(const Pass& pass, bool serial, const Epilogue* epilogue) {
  const GemmSizes& s = pass.size;
  run_tasks(ceil_divide(s.n, kTileColumns), serial, [&](size_t panel) { pack_b(pass, panel); });
  if (pass.packs_a) {
    run_tasks(ceil_divide(s.m, kPackedTogether), serial, [&](size_t group) { pack_a(pass, group); });
  }
  const TaskSizes task = task_sizes(s.m, s.n, serial);
  const size_t row_tasks = ceil_divide(s.m, task.rows), column_tasks = ceil_divide(s.n, task.columns);
  run_tasks(row_tasks * column_tasks, serial, [&](size_t index) {
    const size_t i0 = index % row_tasks * task.rows, i1 = smaller(s.m, i0 + task.rows);
    const size_t j0 = index / row_tasks * task.columns, j1 = smaller(s.n, j0 + task.columns);
    multiply_block(pass, i0, i1, j0, j1);
    if (epilogue) finish_block(pass.c, *epilogue, i0, i1, j0, j1);
  });
}

__attribute__((noinline)) void multiply(Scratch scratch, GemmSizes s, Operand a, Operand b, Result c,
                                        Epilogue epilogue) {
  if (s.m == 0 || s.n == 0) return;
  const bool serial = s.m * s.n * s.k < kSerialProducts;
  const bool packs_a = s.n >= kPackColumns, packs_b = b.column_stride != 1 || s.m >= kPackRows;
  const PackedOperands packed = packed_operands(scratch, s);
  const size_t depth = pass_depth(s);
  const size_t band = packs_a ? kPackedRows : s.m;
  for (size_t n0 = 0; n0 < s.n; n0 += kPackedColumns) {
    for (size_t k0 = 0; k0 < s.k; k0 += depth) {
      for (size_t m0 = 0; m0 < s.m; m0 += band) {
        const size_t column = c.transposed ? m0 : n0, row = c.transposed ? n0 : m0;
        const Pass pass = {
            {smaller(band, s.m - m0), smaller(kPackedColumns, s.n - n0), smaller(depth, s.k - k0)},
            {a.data + m0 * a.row_stride + k0 * a.column_stride, a.row_stride, a.column_stride},
            {b.data + k0 * b.row_stride + n0 * b.column_stride, b.row_stride, b.column_stride},
            {c.data + row * c.stride + column, c.stride, c.transposed, c.accumulate || k0 > 0},
            packs_a,
            packs_b,
            packed.a,
            packed.b,
            epilogue.start && k0 == 0 ? epilogue.start + m0 : nullptr};
        const Epilogue here = {epilogue.bias ? epilogue.bias + column : nullptr, epilogue.activation};
        run_pass(pass, serial, k0 + depth >= s.k ? &here : nullptr);
      }
    }
  }
}

inline void gemm(bpnet::Context& context, GemmSizes s, Operand a, Operand b, Result c, Epilogue epilogue) {
  multiply({context.scratch}, s, a, b, c, epilogue);
}

// The same without an epilogue, where k may be long and the result small.
void gemm_in_parts(bpnet::Context& context, GemmSizes s, Operand a, Operand b, Result c) {
  const Split split = split_of(s);
  if (split.parts == 0) {
    gemm(context, s, a, b, c, kNoEpilogue);
    return;
  }
  run_tasks(split.parts, false, [&](size_t part) {
    const size_t k0 = part * split.depth;
    Scratch scratch = part_of({context.scratch}, part, split.bytes);
    real* const result = scratch.take<real>(s.m * s.n);
    multiply(scratch, {s.m, s.n, smaller(split.depth, s.k - k0)},
             {a.data + k0 * a.column_stride, a.row_stride, a.column_stride},
             {b.data + k0 * b.row_stride, b.row_stride, b.column_stride}, {result, s.n, false, false},
             kNoEpilogue);
  });
  for (size_t i = 0; i < s.m; ++i) {
    real* const row = c.data + i * c.stride;
    if (!c.accumulate) fill_zero(s.n, row);
    for (size_t part = 0; part < split.parts; ++part) {
      const real* const result = part_of({context.scratch}, part, split.bytes).take<real>(s.m * s.n);
      add_scaled(s.n, 1, result + i * s.n, row);
    }
  }
}

}  // namespace
