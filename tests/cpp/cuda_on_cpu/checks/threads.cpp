// The threads of a kernel.
#include <algorithm>
#include <set>

#include "bpnet/kernels/cuda/block.h"
#include "check.h"

namespace checks {
namespace {

using bpnet::cuda::fold_block;
using bpnet::cuda::Plus;
using bpnet::cuda::shared_memory;

constexpr unsigned kAll = 0xffffffff;

__global__ void count_threads(unsigned* counts) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  atomicAdd(&counts[block * blockDim.x * blockDim.y * blockDim.z + thread], 1u);
}
const Add every_thread("every thread of every block runs once", [] {
  const Shape shape{dim3(3, 4, 5), dim3(8, 3, 2)};
  constexpr std::size_t kCount = 60 * 48;
  auto* const counts = allocate<unsigned>(kCount);
  write(counts, std::vector<unsigned>(kCount, 0));
  launch(shape, count_threads, counts);
  for (const unsigned count : read(counts, kCount)) require(count == 1, "a thread ran once");
});

__global__ void note_order(unsigned* order, unsigned* next) {
  order[atomicAdd(next, 1u)] = blockIdx.x * blockDim.x + threadIdx.x;
}
std::vector<unsigned> order_of_threads() {
  auto* const order = allocate<unsigned>(64);
  auto* const next = allocate<unsigned>(1);
  write(next, {0u});
  launch({4, 16}, note_order, order, next);
  return read(order, 64);
}
const Add shuffled("threads run in an order of chance", [] {
  const std::vector<unsigned> first = order_of_threads(), second = order_of_threads();
  require(!std::is_sorted(first.begin(), first.end()), "the order is not that of the numbers");
  require(first != second, "two launches have different orders");
  for (const unsigned thread : first) std::printf("%u ", thread);  // compared by a test for two seeds
});

// The sum of 0 … blockDim.x - 1 by halves.
template <bool kBarrier>
__global__ void sum_by_halves(unsigned* sums) {
  auto* const shared = shared_memory<unsigned>();
  shared[threadIdx.x] = threadIdx.x;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
    if (kBarrier) __syncthreads();
  }
  if (threadIdx.x == 0) sums[blockIdx.x] = shared[0];
}
const Add barriers("a sum with barriers is right", [] {
  auto* const sums = allocate<unsigned>(10);
  launch({10, 1024, 4096}, sum_by_halves<true>, sums);
  for (const unsigned sum : read(sums, 10)) require(sum == 1023 * 1024 / 2, "the sum");
});
const Add no_barriers("a sum without its barriers is wrong", [] {
  auto* const sums = allocate<unsigned>(10);
  launch({10, 64, 256}, sum_by_halves<false>, sums);
  for (const unsigned sum : read(sums, 10)) require(sum != 63 * 64 / 2, "the sum is wrong");
});

__global__ void fold(double* sums) {
  const double sum = fold_block(double(threadIdx.x), Plus{}, 0.0, shared_memory<double>());
  sums[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}
const Add folds("fold_block gives every thread the sum", [] {
  auto* const sums = allocate<double>(5 * 96);
  launch({5, 96, 32 * sizeof(double)}, fold, sums);
  for (const double sum : read(sums, 5 * 96)) require(sum == 95 * 96 / 2, "the sum");
});

__device__ void note(int* found, bool holds) {
  if (!holds) atomicExch(found, 0);
}
template <class T>
__global__ void shuffle(int* found, unsigned width) {
  const unsigned lane = threadIdx.x % 32, first = lane / width * width;
  const int w = static_cast<int>(width);
  const T own = T(lane + 1);
  note(found, __shfl_sync(kAll, own, 3, w) == T(first + 3 % width + 1));
  const unsigned flipped = lane ^ 5;
  note(found, __shfl_xor_sync(kAll, own, 5, w) == T((flipped < first + width ? flipped : lane) + 1));
  note(found, __shfl_down_sync(kAll, own, 2, w) == T((lane + 2 < first + width ? lane + 2 : lane) + 1));
  note(found, __shfl_up_sync(kAll, own, 2, w) == T((lane >= first + 2 ? lane - 2 : lane) + 1));
}
const Add shuffles("lanes shuffle among themselves", [] {
  auto* const found = allocate<int>(1);
  write(found, {1});
  for (const unsigned width : {32u, 8u, 2u}) {
    const Shape shape{3, 96};
    launch(shape, shuffle<char>, found, width);
    launch(shape, shuffle<short>, found, width);
    launch(shape, shuffle<int>, found, width);
    launch(shape, shuffle<float>, found, width);
    launch(shape, shuffle<double>, found, width);
    launch(shape, shuffle<unsigned long long>, found, width);
  }
  require(read(found, 1)[0] == 1, "what the lanes were given");
});

__global__ void vote(int* found) {
  const unsigned lane = threadIdx.x % 32;
  note(found, __ballot_sync(kAll, lane % 2) == 0xaaaaaaaa);
  note(found, __any_sync(kAll, lane == 7) && !__any_sync(kAll, lane == 40));
  note(found, __all_sync(kAll, lane < 32) && !__all_sync(kAll, lane != 7));
  note(found, __reduce_add_sync(kAll, lane) == 496);
  note(found, __reduce_max_sync(kAll, int(lane)) == 31 && __reduce_min_sync(kAll, -int(lane)) == -31);
  note(found, __syncthreads_count(threadIdx.x < 5) == 5);
  note(found, __syncthreads_or(threadIdx.x == 40) && !__syncthreads_or(0));
  note(found, __syncthreads_and(1) && !__syncthreads_and(threadIdx.x != 40));
}
const Add votes("lanes and threads vote", [] {
  auto* const found = allocate<int>(1);
  write(found, {1});
  launch({3, 64}, vote, found);
  require(read(found, 1)[0] == 1, "what the votes gave");
});

__global__ void half_warps(int* sums) {
  const unsigned lane = threadIdx.x % 32, mask = lane < 16 ? 0xffffu : 0xffff0000u;
  if (lane < 16) {
    sums[lane] = __reduce_add_sync(mask, 1);
  } else {
    __syncwarp(mask);
    sums[lane] = __reduce_add_sync(mask, 2);
  }
}
const Add masks("the lanes of a mask wait for each other alone", [] {
  auto* const sums = allocate<int>(32);
  launch({1, 32}, half_warps, sums);
  const std::vector<int> found = read(sums, 32);
  for (int i = 0; i < 32; ++i) require(found[std::size_t(i)] == (i < 16 ? 16 : 32), "the sum of half a warp");
});

__global__ void change_numbers(unsigned long long* numbers) {
  atomicAdd(&numbers[0], 2ull);
  atomicMax(&numbers[1], static_cast<unsigned long long>(threadIdx.x));
  atomicMin(&numbers[2], static_cast<unsigned long long>(threadIdx.x));
  atomicOr(&numbers[3], 1ull << threadIdx.x);
  atomicCAS(&numbers[4], 0ull, 7ull);
  __threadfence();
}
const Add atomics("atomics of integers", [] {
  auto* const numbers = allocate<unsigned long long>(5);
  write(numbers, {0ull, 0ull, 99ull, 0ull, 0ull});
  launch({2, 64}, change_numbers, numbers);
  require(read(numbers, 5) == std::vector<unsigned long long>{256, 63, 0, ~0ull, 7}, "the numbers");
});

__global__ void keep_garbage(float* seen) {
  seen[blockIdx.x] = shared_memory<float>()[threadIdx.x], shared_memory<float>()[threadIdx.x] = 1;
}
const Add garbage("a block begins with garbage in its shared memory", [] {
  auto* const seen = allocate<float>(4);
  launch({4, 1, 4}, keep_garbage, seen);
  for (const float number : read(seen, 4)) require(number != number, "it is NaN");
});

__global__ void nothing() {}
const Add limits("what no GPU can launch is refused", [] {
  expect(cudaErrorInvalidConfiguration, try_launch({1, 1025}, nothing), "a block of 1025 threads");
  expect(cudaErrorInvalidConfiguration, try_launch({1, dim3(32, 32, 2)}, nothing), "a block of 2048 threads");
  expect(cudaErrorInvalidConfiguration, try_launch({1, dim3(1, 1, 65)}, nothing), "a block 65 deep");
  expect(cudaErrorInvalidConfiguration, try_launch({0, 1}, nothing), "no block");
  expect(cudaErrorInvalidConfiguration, try_launch({1, 0}, nothing), "no thread");
  expect(cudaErrorInvalidConfiguration, try_launch({0x80000000, 1}, nothing), "2^31 blocks");
  expect(cudaErrorInvalidConfiguration, try_launch({dim3(1, 65536), 1}, nothing), "65536 rows of blocks");
  expect(cudaErrorInvalidValue, try_launch({1, 1, 48 * 1024 + 1}, nothing), "more shared memory than 48 KB");
  succeed(try_launch({1, 1, 48 * 1024}, nothing));
  succeed(cudaFuncSetAttribute(nothing, cudaFuncAttributeMaxDynamicSharedMemorySize, 100 * 1024));
  succeed(try_launch({1, 1, 100 * 1024}, nothing));
  expect(cudaErrorInvalidValue, try_launch({1, 1, 100 * 1024 + 1}, nothing),
         "more than the kernel asked for");
  expect(cudaErrorInvalidValue,
         cudaFuncSetAttribute(nothing, cudaFuncAttributeMaxDynamicSharedMemorySize, 1 << 20),
         "more than a GPU has");
});

void run_to_death(const Shape& shape, void (*kernel)()) {
  launch(shape, kernel);
  cudaStreamSynchronize(nullptr);
}

__global__ void some_return() {
  if (threadIdx.x % 2) return;
  __syncthreads();
}
const Add barrier_left("a barrier that some threads have left", "ended",
                       [] { run_to_death({1, 2}, some_return); });

__global__ void two_barriers() {
  if (threadIdx.x % 2) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
const Add barriers_differ("threads at two barriers", "for the block, others at threads.cpp:", [] {
  run_to_death({1, 2}, two_barriers);
});

__global__ void barrier_and_warp() {
  if (threadIdx.x % 2) {
    __syncthreads();
  } else {
    __syncwarp();
  }
}
const Add never_reached("threads that wait for each other elsewhere", "wait for others that do not come",
                        [] { run_to_death({1, 2}, barrier_and_warp); });

__global__ void shuffle_from_none() {
  if (threadIdx.x % 32 == 3) return;
  __shfl_sync(kAll, 1.0f, 3);
}
const Add lane_ended("a shuffle from a lane that has ended", "from lane 3, which does not take part",
                     [] { run_to_death({1, 32}, shuffle_from_none); });

__global__ void shuffle_from_outside() {
  if (threadIdx.x < 16) __shfl_sync(0xffffu, 1.0f, 20);
}
const Add lane_outside("a shuffle from a lane outside the mask", "from lane 20, which does not take part",
                       [] { run_to_death({1, 32}, shuffle_from_outside); });

__global__ void shuffle_in_partial_warp() { __shfl_xor_sync(kAll, 1.0f, 16); }
const Add lane_missing("a shuffle from a lane that the block does not have", "which does not take part",
                       [] { run_to_death({1, 24}, shuffle_in_partial_warp); });

__global__ void mask_without_self() { __syncwarp(2); }
const Add mask_wrong("a mask without the lane that calls", "leaves out its own lane",
                     [] { run_to_death({1, 1}, mask_without_self); });

__global__ void two_calls() {
  if (threadIdx.x % 2) {
    __syncwarp();
  } else {
    __ballot_sync(kAll, 1);
  }
}
const Add calls_differ("lanes at different calls", "wait for others that do not come",
                       [] { run_to_death({1, 32}, two_calls); });

__global__ void end_it() { __trap(); }
const Add trap("a kernel that ends itself", "by __trap()", [] { run_to_death({1, 1}, end_it); });

__global__ void write_shared_after() { shared_memory<unsigned char>()[10] = 1; }
const Add shared_after("a write just beyond the shared memory", "beyond the shared memory of 10 bytes",
                       [] { run_to_death({1, 1, 10}, write_shared_after); });

__global__ void write_shared_far() { shared_memory<unsigned char>()[20000] = 1; }
const Add shared_far("a write far beyond the shared memory", "cannot be touched",
                     [] { run_to_death({1, 1, 10}, write_shared_far); });

__global__ void write_shared_before() { shared_memory<unsigned char>()[-int(blockDim.x)] = 1; }
const Add shared_before("a write before the shared memory", "cannot be touched",
                        [] { run_to_death({1, 1, 10}, write_shared_before); });

}  // namespace
}  // namespace checks
