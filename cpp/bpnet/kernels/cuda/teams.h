// The threads that share a row of a matrix: a warp, or for a wide row a block. A member has every
// members()-th column.
#pragma once

#include "bpnet/kernels/cuda/block.h"

namespace bpnet::cuda {

constexpr size_t kWidestOfWarp = 4 * kWarp;            // columns: four per thread
constexpr size_t kFoldBytes = kWarp * sizeof(double);  // of shared memory, for folds of a block

struct WarpTeam {
  static __device__ unsigned member() { return threadIdx.x % kWarp; }
  static __device__ unsigned members() { return kWarp; }
  static __device__ size_t first_row() { return (size_t{blockIdx.x} * blockDim.x + threadIdx.x) / kWarp; }
  static __device__ size_t row_step() { return size_t{gridDim.x} * blockDim.x / kWarp; }

  // The fold of the members' values, in each of them.
  template <class T, class Fold>
  static __device__ T fold(T value, Fold by, T) {
    return fold_warp(value, by);
  }
};

struct BlockTeam {
  static __device__ unsigned member() { return threadIdx.x; }
  static __device__ unsigned members() { return blockDim.x; }
  static __device__ size_t first_row() { return blockIdx.x; }
  static __device__ size_t row_step() { return gridDim.x; }

  template <class T, class Fold>
  static __device__ T fold(T value, Fold by, T none) {
    return fold_block(value, by, none, shared_memory<T>());
  }
};

// A team for every row, with at most `most` blocks.
inline Grid team_grid(size_t rows, size_t columns, size_t most) {
  constexpr size_t kTeams = kThreads / kWarp;
  const size_t blocks = columns <= kWidestOfWarp ? (rows + kTeams - 1) / kTeams : rows;
  return {blocks < most ? blocks : most, kThreads, kFoldBytes};
}

// One block for all rows where they are few, so that no second launch has to fold the results of several
// blocks; else none.
inline Grid lone_grid(size_t rows, size_t columns) {
  constexpr size_t kMostTeams = 32, kRowsOfTeam = 4;
  if (columns > kWidestOfWarp) return {rows <= kRowsOfTeam ? 1u : 0u, kThreads, kFoldBytes};
  const size_t teams = rows < 1 ? 1 : rows < kMostTeams ? rows : kMostTeams;
  return {rows <= kMostTeams * kRowsOfTeam ? 1u : 0u, static_cast<unsigned>(teams) * kWarp, kFoldBytes};
}

}  // namespace bpnet::cuda
