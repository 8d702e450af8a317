// A sum over all threads of a launch, in double and in an order that depends on the launch's size alone.
#pragma once

#include "bpnet/kernels/cuda/teams.h"

namespace bpnet::cuda {

constexpr unsigned kMostThreads = 1024;
constexpr size_t kMostParts = 1024;  // of a total: blocks
constexpr size_t kTotalWorkspace = kMostParts * sizeof(double);

// total[b] = Σ part() over the threads of block b
template <class Part>
__global__ void __launch_bounds__(kMostThreads) total_kernel(Part part, double* total) {
  const double sum = fold_block(part(), Plus{}, 0.0, shared_memory<double>());
  if (threadIdx.x == 0) total[blockIdx.x] = sum;
}

struct SumOfParts {
  const double* parts;
  size_t count;

  __device__ double operator()() const {
    double sum = 0;
    for (size_t i = threadIdx.x; i < count; i += blockDim.x) sum += parts[i];
    return sum;
  }
};

// *total = Σ part() over all threads. Part is a struct of values and of the device's pointers with
// `__device__ double operator()() const`. Grid: 1 … kMostParts blocks with kFoldBytes of shared memory; more
// than one need kTotalWorkspace.
template <class Part>
void launch_total(Context& context, const Grid& grid, const Part& part, double* total) {
  if (grid.blocks == 1) return launch(context, grid, total_kernel<Part>, part, total);
  double* const parts = reinterpret_cast<double*>(context.scratch);
  launch(context, grid, total_kernel<Part>, part, parts);
  launch(context, {1, kThreads, kFoldBytes}, total_kernel<SumOfParts>, SumOfParts{parts, grid.blocks}, total);
}

}  // namespace bpnet::cuda
