// Operations of all threads of a block. All threads of the block call these, or none.
#pragma once

#include <cuda_runtime.h>

#include "bpnet/kernels/cuda/launch.h"

namespace bpnet::cuda {

// The block's shared memory, with the size given at launch.
template <class T>
__device__ T* shared_memory() {
  extern __shared__ __align__(16) unsigned char bpnet_shared[];
  return reinterpret_cast<T*>(bpnet_shared);
}

struct Plus {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Larger {  // NaN if one of them is NaN
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a >= b || a != a ? a : b;
  }
};
struct Smaller {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a < b ? a : b;
  }
};

// The fold of the warp's values, in each of its threads.
template <class T, class Fold>
__device__ T fold_warp(T value, Fold fold) {
  for (unsigned distance = kWarp / 2; distance > 0; distance /= 2) {
    value = fold(value, __shfl_xor_sync(0xffffffff, value, static_cast<int>(distance)));
  }
  return value;
}

// The fold of all values of the block, in every thread, in an order that depends on the block's size alone.
// The block is a multiple of kWarp threads; `shared` has kWarp elements.
template <class T, class Fold>
__device__ T fold_block(T value, Fold fold, T none, T* shared) {
  value = fold_warp(value, fold);
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, warps = blockDim.x / kWarp;
  __syncthreads();  // other threads may still read those of the last fold
  if (lane == 0) shared[warp] = value;
  __syncthreads();
  value = lane < warps ? shared[lane] : none;
  return fold_warp(value, fold);
}

}  // namespace bpnet::cuda
