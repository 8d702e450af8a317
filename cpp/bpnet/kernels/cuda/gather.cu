#include "bpnet/kernels/cuda/launch.h"
#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {
namespace {

template <class T, class From>
__device__ void gather_row(const From* from, size_t columns, size_t sample, size_t row, size_t first,
                           size_t last, T* out) {
  if (!from) return;
  for (size_t i = first + threadIdx.x; i < columns && i < last; i += blockDim.x) {
    out[row * columns + i] = T(from[sample * columns + i]);
  }
}

constexpr size_t kPiece = 4 * kThreads;  // columns of a row for one block

// A block copies a piece of a row; pieces (rows, per_row) are distributed over the blocks in turn.
template <class T, class From>
__global__ void gather_kernel(GatherArgs<T> a, const From* x, size_t per_row) {
  for (size_t piece = blockIdx.x; piece < a.rows * per_row; piece += gridDim.x) {
    const size_t row = piece / per_row, first = piece % per_row * kPiece, last = first + kPiece;
    const size_t sample = a.order ? a.order[row] : row;
    gather_row(x, a.features, sample, row, first, last, a.x_out);
    gather_row(a.targets, a.outputs, sample, row, first, last, a.targets_out);
    gather_row(a.labels, 1, sample, row, first, last, a.labels_out);
    gather_row(a.sample_weight, 1, sample, row, first, last, a.sample_weight_out);
  }
}

template <class T, class From>
void gather_from(Context& context, const GatherArgs<T>& a) {
  const size_t widest = a.targets && a.outputs > a.features ? a.outputs : a.features;
  const size_t per_row = (widest + kPiece - 1) / kPiece, pieces = a.rows * per_row;
  launch(context, {pieces < kMostBlocks ? pieces : kMostBlocks}, gather_kernel<T, From>, a,
         static_cast<const From*>(a.x), per_row);
}

template <class T>
void gather(Context& context, const GatherArgs<T>& a) {
  switch (a.x_type) {
    case DataType::kFloat32: return gather_from<T, float>(context, a);
    case DataType::kFloat64: return gather_from<T, double>(context, a);
    case DataType::kUint8: return gather_from<T, uint8_t>(context, a);
  }
}

}  // namespace

template <class T>
void set_gather(Kernels<T>& kernels) {
  kernels.gather = gather<T>;
}

template void set_gather(Kernels<float>&);
template void set_gather(Kernels<double>&);

}  // namespace bpnet::cuda
