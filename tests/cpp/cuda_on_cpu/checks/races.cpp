// Unordered accesses, and reads of unwritten memory.
#include <cuda_pipeline_primitives.h>

#include "bpnet/kernels/cuda/block.h"
#include "check.h"

namespace checks {
namespace {

using bpnet::cuda::shared_memory;

constexpr const char* kRace = "nothing orders that before";
constexpr const char* kNever = "is read and was never written";

void wait() { succeed(cudaStreamSynchronize(nullptr)); }
int* zeros(std::size_t count) {
  auto* const numbers = allocate<int>(count);
  succeed(cudaMemsetAsync(numbers, 0, count * sizeof(int)));
  return numbers;
}

enum class Order { kNone, kBlock, kWarp, kHalves };

__device__ void meet(Order order) {
  if (order == Order::kBlock) __syncthreads();
  if (order == Order::kWarp) __syncwarp();
  if (order == Order::kHalves) __syncwarp(threadIdx.x % 32 < 16 ? 0xffff : 0xffff0000);
}

// Each thread writes a number and reads that of the thread `distance` ahead.
__global__ void write_then_read(int* to, Order order, unsigned distance) {
  auto* const shared = shared_memory<int>();
  shared[threadIdx.x] = 0;
  __syncthreads();
  shared[threadIdx.x] = 1;
  meet(order);
  to[threadIdx.x] = shared[(threadIdx.x + distance) % blockDim.x];
}
void exchange(unsigned threads, Order order, unsigned distance) {
  launch({1, threads, threads * sizeof(int)}, write_then_read, allocate<int>(threads), order, distance);
  wait();
}
const Add own("a thread reads what it wrote", [] { exchange(64, Order::kNone, 0); });
const Add block("a barrier orders the block", [] { exchange(64, Order::kBlock, 40); });
const Add warp("a meeting of the warp orders its lanes", [] { exchange(32, Order::kWarp, 1); });
const Add no_barrier("a write and a read without a barrier", kRace, [] { exchange(64, Order::kNone, 40); });
const Add no_meeting("a write and a read of two lanes that have not met", kRace,
                     [] { exchange(32, Order::kNone, 1); });
const Add other_warp("a meeting of the warp orders no other warp", kRace,
                     [] { exchange(64, Order::kWarp, 40); });
const Add other_half("a meeting of half a warp orders no other half", kRace,
                     [] { exchange(32, Order::kHalves, 16); });

// Each thread reads the first number, which the last one then writes.
__global__ void read_then_write(int* to, Order order) {
  auto* const shared = shared_memory<int>();
  if (threadIdx.x == 0) *shared = 1;
  __syncthreads();
  to[threadIdx.x] = *shared;
  meet(order);
  if (threadIdx.x == blockDim.x - 1) *shared = 2;
}
const Add reads_before("a barrier orders reads before a write", [] {
  launch({1, 64, 4}, read_then_write, allocate<int>(64), Order::kBlock);
  wait();
});
const Add no_barrier_after("reads and a write without a barrier", kRace, [] {
  launch({1, 64, 4}, read_then_write, allocate<int>(64), Order::kNone);
  wait();
});

// A lane is ordered after another's write by a third, which synchronised with both.
__global__ void by_a_third(int* to) {
  const unsigned lane = threadIdx.x;
  if (lane == 0) *to = 1;
  if (lane < 2) __syncwarp(0b011);
  if (lane == 1 || lane == 2) __syncwarp(0b110);
  if (lane == 2) *to += 1;
}
const Add third("meetings one after the other are an order", [] {
  launch({1, 3}, by_a_third, zeros(1));
  wait();
});

__global__ void shuffled(int* to) {
  if (threadIdx.x == 0) *to = 1;
  __shfl_sync(0xffffffff, 1, 0);
  if (threadIdx.x == 1) *to = 2;
}
const Add shuffles("a shuffle orders no writes", kRace, [] {
  launch({1, 32}, shuffled, zeros(1));
  wait();
});

__global__ void set_all(int* to) { *to = 1; }
const Add blocks("two blocks write one number", kRace, [] {
  launch({2, 1}, set_all, zeros(1));
  wait();
});
__global__ void set_own(unsigned char* to) { to[blockIdx.x * blockDim.x + threadIdx.x] = 1; }
const Add neighbours("threads write bytes beside each other", [] {
  launch({4, 64}, set_own, allocate<unsigned char>(256));
  wait();
});
const Add launches("launches are in order", [] {
  auto* const number = zeros(1);
  for (int i = 0; i < 3; ++i) launch({}, add_number, number, 1);
  require(read(number, 1)[0] == 3, "the number");
});

__global__ void count_up(int* to, bool plainly) {
  atomicAdd(to, 1);
  if (plainly) *to += 1;
}
const Add atomics("atomics need no order", [] {
  launch({4, 64}, count_up, zeros(1), false);
  wait();
});
const Add mixed("an atomic beside a plain write", kRace, [] {
  launch({4, 64}, count_up, zeros(1), true);
  wait();
});

__global__ void read_array(int* to, const int* from) { *to = *from; }
const Add array("an array that was not written", kNever, [] {
  launch({}, read_array, allocate<int>(1), allocate<int>(1));
  wait();
});
const Add hosts("a kernel reads the host's memory", "which is the host's", [] {
  const std::vector<int> numbers(1);
  launch({}, read_array, allocate<int>(1), numbers.data());
  wait();
});
__global__ void read_shared(int* to) { *to = *shared_memory<int>(), *shared_memory<int>() = 1; }
const Add last_block("shared memory that only the last block wrote", kNever, [] {
  launch({1, 1, 4}, read_shared, allocate<int>(1));
  wait();
});

__global__ void fetch(int* to, const int* from, bool before) {
  auto* const shared = shared_memory<int>();
  __pipeline_memcpy_async(shared + threadIdx.x, from + threadIdx.x, sizeof(int));
  __pipeline_commit();
  if (!before) __pipeline_wait_prior(0);
  to[threadIdx.x] = shared[threadIdx.x];
}
const Add fetched("a copy that was waited for", [] {
  launch({1, 32, 128}, fetch, allocate<int>(32), zeros(32), false);
  wait();
});
const Add fetched_before("a copy that was not waited for", kNever, [] {
  launch({1, 32, 128}, fetch, allocate<int>(32), zeros(32), true);
  wait();
});

}  // namespace
}  // namespace checks
