// c (m, n) = or += a (m, k) · b (k, n), after BLIS: both operands are packed into panels as wide as
// the register tile, and a micro-kernel multiplies two panels. Each element of c is summed in the
// same order whatever the number of threads.
#pragma once

#include "bpnet/kernels/cpu/chunks.h"
#include "bpnet/kernels/cpu/transpose.h"
#include "bpnet/kernels/kernels.h"

namespace {

// An operand by strides, so that one packing routine serves a matrix and its transpose.
struct Operand {
  const real* data;
  size_t row_stride, column_stride;
};

struct GemmSizes {
  size_t m, n, k;
};

// What is done to a finished row segment of c: c = act(c + bias).
struct Epilogue {
  const real* bias;  // (n,) or null
  bpnet::Activation activation;
};

void activate(bpnet::Activation act, size_t count, const real* x, real* y);

inline size_t packed_rows(const GemmSizes& s) {
  return ceil_divide(smaller(s.m, kPackedRows), kTileRows) * kTileRows;
}
inline size_t packed_columns(const GemmSizes& s) {
  return ceil_divide(smaller(s.n, kPackedColumns), kTileColumns) * kTileColumns;
}
// Elements of the packed left operand, so that the right one after it begins on a cache line.
inline size_t packed_left(const GemmSizes& s) {
  constexpr size_t kLine = 64 / sizeof(real);
  return ceil_divide(packed_rows(s) * smaller(s.k, kDepth), kLine) * kLine;
}
inline size_t gemm_workspace(const GemmSizes& s) {
  return (packed_left(s) + packed_columns(s) * smaller(s.k, kDepth)) * sizeof(real);
}

// packed[p][width] = operand's `count` rows (or columns) from `first`, zeros beyond them.
template <size_t kWidth>
void pack_panel(const real* from, size_t stride, size_t depth_stride, size_t count, size_t depth,
                real* packed) {
  if (count == kWidth && stride == 1) {
    for (size_t p = 0; p < depth; ++p) {
      for (size_t i = 0; i < kWidth; ++i) packed[p * kWidth + i] = from[p * depth_stride + i];
    }
    return;
  }
  size_t first = 0;  // rows before it are packed by whole blocks
  if (depth_stride == 1) {
    const size_t blocks = smaller(count, kWidth) / kLanes;
    const size_t whole = depth / kLanes * kLanes;
    for (size_t block = 0; block < blocks; ++block) {
      const real* rows = from + block * kLanes * stride;
      for (size_t p = 0; p < whole; p += kLanes) {
        transpose_block(rows + p, stride, packed + p * kWidth + block * kLanes, kWidth);
      }
      for (size_t p = whole; p < depth; ++p) {
        for (size_t i = 0; i < kLanes; ++i) packed[p * kWidth + block * kLanes + i] = rows[i * stride + p];
      }
    }
    first = blocks * kLanes;
  }
  for (size_t i = first; i < kWidth; ++i) {
    if (i < count) {
      for (size_t p = 0; p < depth; ++p) packed[p * kWidth + i] = from[i * stride + p * depth_stride];
    } else {
      for (size_t p = 0; p < depth; ++p) packed[p * kWidth + i] = 0;
    }
  }
}

// tile (kTileRows, kTileColumns) = a panel · b panel
inline void multiply_panels(size_t depth, const real* a, const real* b,
                            vec (&tile)[kTileRows][kTileVectors]) {
#pragma GCC unroll 16
  for (size_t i = 0; i < kTileRows; ++i) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kTileVectors; ++v) tile[i][v] = vec{};
  }
  for (size_t p = 0; p < depth; ++p, a += kTileRows, b += kTileColumns) {
    vec right[kTileVectors];
#pragma GCC unroll 4
    for (size_t v = 0; v < kTileVectors; ++v) right[v] = load(b + v * kLanes);
#pragma GCC unroll 16
    for (size_t i = 0; i < kTileRows; ++i) {
      const vec left = splat(a[i]);
#pragma GCC unroll 4
      for (size_t v = 0; v < kTileVectors; ++v) tile[i][v] += left * right[v];
    }
  }
}

// One tile of c, whole or cut off at the matrix's edge.
inline void tile_product(size_t depth, const real* a, const real* b, real* c, size_t c_stride, size_t rows,
                         size_t columns, bool add) {
  // The tile of c is far away in memory, and wanted when the product is done.
  for (size_t i = 0; i < rows; ++i) {
    for (size_t v = 0; v < kTileVectors; ++v) __builtin_prefetch(c + i * c_stride + v * kLanes, 1, 3);
  }
  vec tile[kTileRows][kTileVectors];
  multiply_panels(depth, a, b, tile);
  if (rows == kTileRows && columns == kTileColumns) {
#pragma GCC unroll 16
    for (size_t i = 0; i < kTileRows; ++i) {
#pragma GCC unroll 4
      for (size_t v = 0; v < kTileVectors; ++v) {
        real* to = c + i * c_stride + v * kLanes;
        store(to, add ? load(to) + tile[i][v] : tile[i][v]);
      }
    }
    return;
  }
  real edge[kTileRows * kTileColumns];
#pragma GCC unroll 16
  for (size_t i = 0; i < kTileRows; ++i) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kTileVectors; ++v) store(edge + i * kTileColumns + v * kLanes, tile[i][v]);
  }
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < columns; ++j) {
      real& to = c[i * c_stride + j];
      to = add ? to + edge[i * kTileColumns + j] : edge[i * kTileColumns + j];
    }
  }
}

inline void finish_rows(const Epilogue& epilogue, size_t rows, size_t columns, size_t first_column, real* c,
                        size_t c_stride) {
  for (size_t i = 0; i < rows; ++i) {
    real* row = c + i * c_stride;
    if (epilogue.bias) {
      for (size_t j = 0; j < columns; ++j) row[j] += epilogue.bias[first_column + j];
    }
    if (epilogue.activation.kind != bpnet::ActivationKind::kIdentity) {
      activate(epilogue.activation, columns, row, row);
    }
  }
}

inline void gemm(bpnet::Context& context, GemmSizes s, Operand a, Operand b, real* c, size_t c_stride,
                 bool accumulate, Epilogue epilogue) {
  const bool serial = s.m * s.n * s.k < kSerialProducts;
  real* packed_a = reinterpret_cast<real*>(context.scratch);
  real* packed_b = packed_a + packed_left(s);

  for (size_t n0 = 0; n0 < s.n; n0 += kPackedColumns) {
    const size_t n = smaller(kPackedColumns, s.n - n0);
    for (size_t k0 = 0; k0 < s.k; k0 += kDepth) {
      const size_t k = smaller(kDepth, s.k - k0);
      const bool add = accumulate || k0 > 0, last = k0 + k == s.k;
      run_tasks(ceil_divide(n, kTileColumns), serial, [&](size_t panel) {
        const size_t j = panel * kTileColumns;
        pack_panel<kTileColumns>(b.data + k0 * b.row_stride + (n0 + j) * b.column_stride, b.column_stride,
                                 b.row_stride, smaller(kTileColumns, n - j), k, packed_b + j * k);
      });
      for (size_t m0 = 0; m0 < s.m; m0 += kPackedRows) {
        const size_t m = smaller(kPackedRows, s.m - m0);
        run_tasks(ceil_divide(m, kTileRows), serial, [&](size_t panel) {
          const size_t i = panel * kTileRows;
          pack_panel<kTileRows>(a.data + (m0 + i) * a.row_stride + k0 * a.column_stride, a.row_stride,
                                a.column_stride, smaller(kTileRows, m - i), k, packed_a + i * k);
        });
        const size_t row_blocks = ceil_divide(m, kBlock.block_rows);
        const size_t column_blocks = ceil_divide(n, kBlock.block_columns);
        run_tasks(row_blocks * column_blocks, serial, [&](size_t task) {
          const size_t i0 = task / column_blocks * kBlock.block_rows;
          const size_t j0 = task % column_blocks * kBlock.block_columns;
          const size_t i1 = smaller(m, i0 + kBlock.block_rows);
          const size_t j1 = smaller(n, j0 + kBlock.block_columns);
          for (size_t j = j0; j < j1; j += kTileColumns) {
            for (size_t i = i0; i < i1; i += kTileRows) {
              tile_product(k, packed_a + i * k, packed_b + j * k, c + (m0 + i) * c_stride + n0 + j, c_stride,
                           smaller(kTileRows, i1 - i), smaller(kTileColumns, j1 - j), add);
            }
          }
          if (last)
            finish_rows(epilogue, i1 - i0, j1 - j0, n0 + j0, c + (m0 + i0) * c_stride + n0 + j0, c_stride);
        });
      }
    }
  }
}

}  // namespace
