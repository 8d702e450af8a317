#include "bpnet/kernels/cuda/column_sums.h"

#include "bpnet/kernels/cuda/block.h"
#include "bpnet/kernels/cuda/launch.h"

namespace bpnet::cuda {
namespace {

constexpr size_t kFewRows = 64;      // of a part, at least
constexpr size_t kMaxBlocks = 1024;  // blocks of a launch
constexpr unsigned kRun = 32;        // elements that are added in their type

// A block sums `width` columns of one part of the rows; its threads are (threads / width, width).
struct Tiling {
  size_t rows, columns, parts;
  unsigned width;  // a power of 2

  size_t tiles() const { return (columns + width - 1) / width; }
};

Tiling tiling(size_t rows, size_t columns) {
  Tiling t{rows, columns, 1, 1};
  while (t.width < kWarp && t.width < columns) t.width *= 2;
  const size_t wanted = (rows + kFewRows - 1) / kFewRows;
  const size_t most = kMaxBlocks / t.tiles();
  t.parts = wanted < most ? wanted : most;
  if (t.parts == 0) t.parts = 1;
  return t;
}

// Part p of the rows is [rows · p / parts, rows · (p + 1) / parts).
template <class From, class To>
__global__ void column_sums_kernel(Tiling t, const From* x, To* sums, bool accumulate) {
  double* const shared = shared_memory<double>();  // (threads,)
  const size_t tiles = (t.columns + t.width - 1) / t.width;
  const unsigned lanes = blockDim.x / t.width, lane = threadIdx.x / t.width;
  for (size_t index = blockIdx.x; index < tiles * t.parts; index += gridDim.x) {
    const size_t part = index / tiles, column = index % tiles * t.width + threadIdx.x % t.width;
    const size_t end = t.rows / t.parts * (part + 1) + t.rows % t.parts * (part + 1) / t.parts;
    size_t row = t.rows / t.parts * part + t.rows % t.parts * part / t.parts + lane;
    double sum = 0;
    while (column < t.columns && row < end) {
      From run = 0;
      for (unsigned i = 0; i < kRun && row < end; ++i, row += lanes) run += x[row * t.columns + column];
      sum += double(run);
    }
    shared[threadIdx.x] = sum;
    for (unsigned distance = lanes / 2; distance > 0; distance /= 2) {
      __syncthreads();
      if (lane < distance) shared[threadIdx.x] += shared[threadIdx.x + distance * t.width];
    }
    if (lane == 0 && column < t.columns) {
      To& to = sums[part * t.columns + column];
      to = accumulate ? to + To(shared[threadIdx.x]) : To(shared[threadIdx.x]);
    }
    __syncthreads();  // other threads may still read
  }
}

template <class From, class To>
void launch_sums(Context& context, const Tiling& t, const From* x, To* sums, bool accumulate) {
  const size_t blocks = t.tiles() * t.parts;
  launch(context, {blocks < kMostBlocks ? blocks : kMostBlocks, kThreads, kThreads * sizeof(double)},
         column_sums_kernel<From, To>, t, x, sums, accumulate);
}

}  // namespace

size_t column_sums_workspace(size_t rows, size_t columns) {
  const Tiling t = tiling(rows, columns);
  Scratch scratch{nullptr};
  if (t.parts > 1) scratch.take<double>(t.parts * columns);
  return scratch.bytes;
}

template <class T>
void column_sums(Context& context, Scratch scratch, size_t rows, size_t columns, const T* x, T* sums,
                 bool accumulate) {
  const Tiling t = tiling(rows, columns);
  if (t.parts == 1) return launch_sums(context, t, x, sums, accumulate);
  double* const partial = scratch.take<double>(t.parts * columns);  // (parts, columns)
  launch_sums(context, t, x, partial, false);
  Tiling last = t;
  last.rows = t.parts;
  last.parts = 1;
  launch_sums(context, last, partial, sums, accumulate);
}

template void column_sums(Context&, Scratch, size_t, size_t, const float*, float*, bool);
template void column_sums(Context&, Scratch, size_t, size_t, const double*, double*, bool);

}  // namespace bpnet::cuda
