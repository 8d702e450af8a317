// Clipping: elements by value, with their squares summed per block; then all by the norm from these sums.
#include <cmath>

#include "bpnet/kernels/cuda/block.h"
#include "bpnet/kernels/cuda/launch.h"
#include "bpnet/kernels/cuda/rows.h"
#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {
namespace {

// Ranges are sent as a kernel's argument, some at a time.
constexpr size_t kRanges = 64;

struct SomeRanges {
  FlatRange ranges[kRanges];
  size_t count;
};

constexpr size_t kPartialSums = 1024;  // at most one per block
constexpr size_t kElementsOfThread = 8;

struct ClipMemory {
  double sums[kPartialSums];  // Σ g², one per block
  uint64_t updates;           // Sums::updates before the norm was judged
};

template <class T, class Change>
__device__ void for_each_gradient(const SomeRanges& some, T* grad,
                                  const Change& change) {  // change(element)
  const size_t first = size_t{blockIdx.x} * blockDim.x + threadIdx.x, step = size_t{gridDim.x} * blockDim.x;
  for (size_t s = 0; s < some.count; ++s) {
    T* const range = grad + some.ranges[s].offset;
    for (size_t i = first; i < some.ranges[s].count; i += step) change(range[i]);
  }
}

// Each element to −value … value where value > 0. NaN is kept.
template <class T>
__global__ void clip_values(SomeRanges some, T* grad, T value, const Sums* sums) {
  if (!sums->updates) return;
  for_each_gradient(some, grad, [&](T& g) { g = g > value ? value : g < -value ? -value : g; });
}

// The same, and the sum of all squares, added to those of earlier ranges except for the first.
template <class T>
__global__ void sum_squares(SomeRanges some, bool first, T* grad, T value, const Sums* sums,
                            ClipMemory* memory) {
  if (blockIdx.x == 0 && threadIdx.x == 0) memory->updates = sums->updates;
  if (!sums->updates) return;
  double sum = 0;
  for_each_gradient(some, grad, [&](T& g) {
    if (value > 0) g = g > value ? value : g < -value ? -value : g;
    sum += double(g) * double(g);
  });
  sum = fold_block(sum, Plus{}, 0.0, shared_memory<double>());
  if (threadIdx.x == 0) memory->sums[blockIdx.x] = first ? sum : memory->sums[blockIdx.x] + sum;
}

// Every block computes the norm; the first one records whether it stops training.
template <class T>
__global__ void clip_by_norm(SomeRanges some, size_t partials, T* grad, double most, Tally how,
                             const ClipMemory* memory, Sums* sums) {
  if (!memory->updates) return;
  double squares = 0;
  for (size_t i = threadIdx.x; i < partials; i += blockDim.x) squares += memory->sums[i];
  squares = fold_block(squares, Plus{}, 0.0, shared_memory<double>());
  const double norm = sqrt(squares);
  if (how == Tally::kTraining && !std::isfinite(norm)) {
    if (blockIdx.x > 0 || threadIdx.x > 0) return;
    sums->stopped = 1;
    sums->stopping_loss = sums->batch_loss;
    sums->updates = 0;
    return;
  }
  const double share = most / (norm + 1e-6);
  if (share >= 1) return;
  for_each_gradient(some, grad, [&](T& g) { g *= T(share); });
}

// Calls body(ranges, whether they are the first).
template <class T, class Body>
void for_some_ranges(const ClipArgs<T>& a, const Body& body) {
  for (size_t begin = 0; begin < a.count; begin += kRanges) {
    SomeRanges some{{}, a.count - begin < kRanges ? a.count - begin : kRanges};
    for (size_t s = 0; s < some.count; ++s) some.ranges[s] = a.ranges[begin + s];
    body(some, begin == 0);
  }
}

size_t clip_workspace(size_t) { return sizeof(ClipMemory); }

template <class T>
void clip(Context& context, const ClipArgs<T>& a, Tally how, Sums* sums) {
  size_t elements = 0;
  for (size_t s = 0; s < a.count; ++s) elements += a.ranges[s].count;
  const size_t wanted = ceil_divide(elements, kThreads * kElementsOfThread);
  const size_t blocks = wanted < kPartialSums ? wanted : kPartialSums;
  const Grid grid = {blocks, kThreads, kWarp * sizeof(double)};
  ClipMemory* const memory = reinterpret_cast<ClipMemory*>(context.scratch);
  if (a.norm == 0) {
    return for_some_ranges(a, [&](const SomeRanges& some, bool) {
      launch(context, grid, clip_values<T>, some, a.grad, T(a.value), sums);
    });
  }
  for_some_ranges(a, [&](const SomeRanges& some, bool first) {
    launch(context, grid, sum_squares<T>, some, first, a.grad, T(a.value), sums, memory);
  });
  for_some_ranges(a, [&](const SomeRanges& some, bool) {
    launch(context, grid, clip_by_norm<T>, some, blocks, a.grad, a.norm, how, memory, sums);
  });
}

}  // namespace

template <class T>
void set_clip(Kernels<T>& kernels) {
  kernels.clip_workspace = clip_workspace;
  kernels.clip = clip<T>;
}

template void set_clip(Kernels<float>&);
template void set_clip(Kernels<double>&);

}  // namespace bpnet::cuda
