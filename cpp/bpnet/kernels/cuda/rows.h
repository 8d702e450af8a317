// A matrix's rows and columns divided among threads, neighbouring columns to neighbouring threads.
#pragma once

#include "bpnet/kernels/cuda/launch.h"

namespace bpnet::cuda {

template <class Index>
__host__ __device__ constexpr Index ceil_divide(Index a, std::type_identity_t<Index> b) {
  return (a + b - 1) / b;
}

// The smallest n with 2ⁿ ≥ count.
__host__ __device__ constexpr unsigned log2_up(size_t count) {
  unsigned n = 0;
  while ((size_t{1} << n) < count) ++n;
  return n;
}

// 32-bit arithmetic takes a fraction of the instructions, most of all for divisions. Up to this size an
// index, and the sum of it and a block's threads, fit.
constexpr size_t kMostOf32Bits = 0x7fffffff;

// A block processes `tall` rows of a tile at a time, its threads 2^log2_lanes adjacent columns, each up to
// kColumnsOfThread of them, so that the cost of a row is paid once for several columns.
constexpr unsigned kColumnsOfThread = 4;

template <class Index>
struct RowTiles {
  Index rows, columns;
  unsigned log2_lanes;
  Index across;  // tiles side by side
  Index count;
};

template <class Index>
RowTiles<Index> row_tiles(size_t rows, size_t columns) {
  const size_t wanted = ceil_divide(columns, kColumnsOfThread);
  const unsigned least = log2_up(columns < kWarp ? columns : kWarp), wide = log2_up(wanted);
  const unsigned most = log2_up(kThreads), lanes = wide < least ? least : wide > most ? most : wide;
  const size_t across = ceil_divide(columns, size_t{kColumnsOfThread} << lanes);
  const size_t down = ceil_divide(rows, size_t{kThreads >> lanes});
  return {Index(rows), Index(columns), lanes, Index(across), Index(across * down)};
}

template <class Index, class Body>
__global__ void each_row_kernel(RowTiles<Index> tiles, Body body) {
  const Index lanes = Index(1) << tiles.log2_lanes, lane = threadIdx.x & (lanes - 1);
  const Index width = lanes * kColumnsOfThread, tall = blockDim.x >> tiles.log2_lanes;
  for (Index tile = blockIdx.x; tile < tiles.count; tile += gridDim.x) {
    const Index row = tile / tiles.across * tall + (threadIdx.x >> tiles.log2_lanes);
    const Index begin = tile % tiles.across * width, end = begin + width;
    if (row < tiles.rows) body(row, begin + lane, end < tiles.columns ? end : tiles.columns, lanes);
  }
}

// body(row, c, end, step) for every row: of the columns c, c + step … below end. Each column of each row is
// visited once, in any order. Body is as for launch_each, with `operator()(Index row, Index c, Index end,
// Index step) const`.
template <class Index, class Body>
void launch_each_row(Context& context, size_t rows, size_t columns, const Body& body) {
  if (rows == 0 || columns == 0) return;
  const RowTiles<Index> tiles = row_tiles<Index>(rows, columns);
  const size_t blocks = tiles.count < kMostBlocks ? size_t{tiles.count} : kMostBlocks;
  launch(context, {blocks}, each_row_kernel<Index, Body>, tiles, body);
}

}  // namespace bpnet::cuda
