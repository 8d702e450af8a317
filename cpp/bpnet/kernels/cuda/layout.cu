#include "bpnet/kernels/cuda/block.h"
#include "bpnet/kernels/cuda/launch.h"
#include "bpnet/kernels/cuda/rows.h"
#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {
namespace {

template <class T, bool kAccumulate>
struct CopyColumns {
  size_t x_stride, y_stride;
  const T* x;
  T* y;

  template <class Index>
  __device__ void operator()(Index row, Index c, Index end, Index step) const {
    const T* const from = x + size_t{row} * x_stride;
    T* const to = y + size_t{row} * y_stride;
    for (; c < end; c += step) to[c] = kAccumulate ? to[c] + from[c] : from[c];
  }
};

template <class T, bool kAccumulate>
void copy_by_rows(Context& context, const ColumnSizes& s, const T* x, T* y) {
  const CopyColumns<T, kAccumulate> copy = {s.x_stride, s.y_stride, x, y};
  if (s.rows * s.columns <= kMostOf32Bits) return launch_each_row<unsigned>(context, s.rows, s.columns, copy);
  launch_each_row<size_t>(context, s.rows, s.columns, copy);
}

template <class T>
void copy_columns(Context& context, const ColumnSizes& s, const T* x, T* y, bool accumulate) {
  if (accumulate) return copy_by_rows<T, true>(context, s, x, y);
  copy_by_rows<T, false>(context, s, x, y);
}

struct Matrices {
  size_t n, rows, columns;
};

// Row r of y (n columns, rows) is column r % columns of a matrix of x.
template <class T>
struct TransposeNarrow {
  Matrices s;
  const T* x;
  T* y;

  template <class Index>
  __device__ void operator()(Index row, Index c, Index end, Index step) const {
    const Index columns = Index(s.columns), image = row / columns;
    const T* const from = x + size_t{image} * s.rows * s.columns + row % columns;
    T* const to = y + size_t{row} * s.rows;
    for (; c < end; c += step) to[c] = from[size_t{c} * s.columns];
  }
};

// A block reads a tile of x along its rows and writes it along those of y.
constexpr unsigned kTile = 32;

template <class T>
__global__ void transpose_tiles(Matrices s, size_t across, size_t down, const T* x, T* y) {
  T* const tile =
      shared_memory<T>();  // (kTile, kTile + 1): threads of a warp access different banks both ways
  const unsigned lane = threadIdx.x % kTile, line = threadIdx.x / kTile, lines = blockDim.x / kTile;
  for (size_t index = blockIdx.x; index < s.n * across * down; index += gridDim.x) {
    const size_t c0 = index % across * kTile, r0 = index / across % down * kTile;
    const size_t image = index / across / down * s.rows * s.columns;
    for (unsigned i = line; i < kTile; i += lines) {
      const size_t r = r0 + i, c = c0 + lane;
      if (r < s.rows && c < s.columns) tile[i * (kTile + 1) + lane] = x[image + r * s.columns + c];
    }
    __syncthreads();
    for (unsigned i = line; i < kTile; i += lines) {
      const size_t r = r0 + lane, c = c0 + i;
      if (r < s.rows && c < s.columns) y[image + c * s.rows + r] = tile[lane * (kTile + 1) + i];
    }
    __syncthreads();
  }
}

template <class T>
void transpose(Context& context, size_t n, size_t rows, size_t columns, const T* x, T* y) {
  const Matrices s = {n, rows, columns};
  if (rows <= kTile / 2 || columns <= kTile / 2) {  // else most of a tile would be empty
    const TransposeNarrow<T> body = {s, x, y};
    if (n * rows * columns <= kMostOf32Bits)
      return launch_each_row<unsigned>(context, n * columns, rows, body);
    return launch_each_row<size_t>(context, n * columns, rows, body);
  }
  const size_t across = ceil_divide(columns, kTile), down = ceil_divide(rows, kTile),
               tiles = n * across * down;
  const Grid grid = {tiles < kMostBlocks ? tiles : kMostBlocks, kThreads, kTile * (kTile + 1) * sizeof(T)};
  launch(context, grid, transpose_tiles<T>, s, across, down, x, y);
}

}  // namespace

template <class T>
void set_layout(Kernels<T>& kernels) {
  kernels.copy_columns = copy_columns<T>;
  kernels.transpose = transpose<T>;
}

template void set_layout(Kernels<float>&);
template void set_layout(Kernels<double>&);

}  // namespace bpnet::cuda
