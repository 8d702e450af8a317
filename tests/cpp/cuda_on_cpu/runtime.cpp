// The emulated runtime: one processor thread runs all.
#include <cuda_runtime.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

constexpr std::size_t kMostShared = 100 * 1024;
__thread unsigned char bpnet::cuda::bpnet_shared[kMostShared] __attribute__((aligned(16)));
__thread uint3 threadIdx, blockIdx, blockDim, gridDim;

namespace cuda_on_cpu {
namespace {

constexpr std::size_t kStack = 256 * 1024;

enum class State { kReady, kAtBlock, kAtWarp, kDone };

struct Thread {
  ucontext_t context{};
  std::unique_ptr<unsigned char[]> stack;
  State state = State::kReady;
  std::uint64_t given = 0;
};

struct Block {
  std::vector<Thread> threads;
  const std::function<void()>* body = nullptr;
  Thread* running = nullptr;
  ucontext_t scheduler{};
};
thread_local Block block;
thread_local std::minstd_rand chance{1};

void enter() {
  (*block.body)();
  block.running->state = State::kDone;
  swapcontext(&block.running->context, &block.scheduler);
}

void wait(State state) {
  Thread* const self = block.running;
  self->state = state;
  swapcontext(&self->context, &block.scheduler);
}

// Whether all of `threads` wait there, who then go on.
bool release(Thread* first, std::size_t count, State state) {
  if (!std::all_of(first, first + count, [&](const Thread& t) { return t.state == state; })) return false;
  std::for_each(first, first + count, [](Thread& t) { t.state = State::kReady; });
  return true;
}

void run_block(std::size_t count) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  for (;;) {
    std::shuffle(order.begin(), order.end(), chance);
    bool ran = false;
    for (const std::size_t i : order) {
      Thread& thread = block.threads[i];
      if (thread.state != State::kReady) continue;
      block.running = &thread;
      threadIdx = {unsigned(i), 0, 0};
      swapcontext(&block.scheduler, &thread.context);
      ran = true;
    }
    for (std::size_t i = 0; i < count; i += 32) {
      ran |= release(&block.threads[i], std::min<std::size_t>(32, count - i), State::kAtWarp);
    }
    ran |= release(block.threads.data(), count, State::kAtBlock);
    if (ran) continue;
    if (std::all_of(block.threads.begin(), block.threads.begin() + std::ptrdiff_t(count),
                    [](const Thread& t) { return t.state == State::kDone; })) {
      return;
    }
    std::fprintf(stderr, "cuda-on-cpu: some threads of a block wait for others that do not come\n");
    std::abort();
  }
}

}  // namespace

void wait_for_block() { wait(State::kAtBlock); }
void wait_for_warp() { wait(State::kAtWarp); }

std::uint64_t exchange(std::uint64_t value, int lane) {
  Thread* const self = block.running;
  self->given = value;
  wait(State::kAtWarp);
  const std::size_t first = std::size_t(self - block.threads.data()) / 32 * 32;
  const std::uint64_t result = block.threads[first + std::size_t(lane)].given;
  wait(State::kAtWarp);
  return result;
}

void run(const dim3& grid, const dim3& size, std::size_t shared, const std::function<void()>& body) {
  const std::size_t count = size.x;
  if (block.threads.size() < count) block.threads.resize(count);
  block.body = &body;
  blockDim = {size.x, size.y, size.z};
  gridDim = {grid.x, grid.y, grid.z};
  std::vector<unsigned> blocks(grid.x);
  std::iota(blocks.begin(), blocks.end(), 0);
  std::shuffle(blocks.begin(), blocks.end(), chance);
  for (const unsigned b : blocks) {
    blockIdx = {b, 0, 0};
    std::memset(bpnet::cuda::bpnet_shared, 0xA5, std::min(kMostShared, shared));
    for (unsigned t = 0; t < count; ++t) {
      Thread& thread = block.threads[t];
      if (!thread.stack) thread.stack.reset(new unsigned char[kStack]);
      thread.state = State::kReady;
      getcontext(&thread.context);
      thread.context.uc_stack.ss_sp = thread.stack.get();
      thread.context.uc_stack.ss_size = kStack;
      thread.context.uc_link = nullptr;
      makecontext(&thread.context, enter, 0);
    }
    run_block(count);
  }
  block.running = nullptr;
}

}  // namespace cuda_on_cpu

const char* cudaGetErrorString(cudaError_t error) { return error == cudaSuccess ? "no error" : "an error"; }
const char* cudaGetErrorName(cudaError_t) { return "cudaError"; }
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaGetDeviceCount(int* count) { return *count = 2, cudaSuccess; }
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) { return *value = 4, cudaSuccess; }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t*, unsigned) { return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  return *status = cudaStreamCaptureStatusNone, cudaSuccess;
}
cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  return *memory ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFree(void* memory) { return std::free(memory), cudaSuccess; }
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) { return *free = *total = 0, cudaSuccess; }
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t) {
  return std::memmove(to, from, bytes), cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t) {
  return std::memset(to, value, bytes), cudaSuccess;
}
