// The GPUs' memory.
#include <algorithm>
#include <cstdint>

#include "check.h"

namespace checks {
namespace {

const Add fresh("memory begins as garbage", [] {
  for (const float number : read(allocate<float>(1000), 1000)) require(number != number, "it is NaN");
});

const Add aligned("memory is aligned as CUDA's", [] {
  for (const std::size_t count : {1, 7, 100, 5000}) {
    require(reinterpret_cast<std::uintptr_t>(allocate<char>(count)) % 256 == 0, "256 divides the address");
  }
});

const Add none("no bytes are no array", [] {
  void* memory = &memory;
  succeed(cudaMalloc(&memory, 0));
  require(!memory, "the address is null");
  succeed(cudaFree(nullptr));
});

const Add limit("memory ends where the setting says", [] {
  std::size_t free = 0, total = 0, before = 0;
  succeed(cudaMemGetInfo(&before, &total));
  void *first = nullptr, *second = nullptr;
  succeed(cudaMalloc(&first, before - 512));
  succeed(cudaMemGetInfo(&free, &total));
  require(free == 512, "512 bytes are free");
  expect(cudaErrorMemoryAllocation, cudaMalloc(&second, 513), "one byte more");
  require(!second, "nothing was allocated");
  expect(cudaErrorMemoryAllocation, cudaGetLastError(), "the last error");
  expect(cudaSuccess, cudaGetLastError(), "the last error once more");
  succeed(cudaSetDevice(1));
  succeed(cudaMalloc(&second, 513));
  succeed(cudaSetDevice(0));
  succeed(cudaFree(first));
  succeed(cudaMemGetInfo(&free, &total));
  require(free == before, "all is free again");
});

const Add frees("what is no array cannot be freed", [] {
  auto* const device = allocate<int>(4);
  auto* const pinned = allocate_pinned<int>(4);
  int own = 0;
  expect(cudaErrorInvalidValue, cudaFree(&own), "freeing the host's");
  expect(cudaErrorInvalidValue, cudaFree(device + 1), "freeing the middle");
  expect(cudaErrorInvalidValue, cudaFree(pinned), "freeing pinned memory");
  expect(cudaErrorInvalidValue, cudaFreeHost(device), "freeing the GPU's as pinned");
  succeed(cudaFree(device));
  expect(cudaErrorInvalidValue, cudaFree(device), "freeing twice");
  succeed(cudaFreeHost(pinned));
  expect(cudaErrorInvalidValue, cudaFreeHost(pinned), "freeing pinned memory twice");
});

const Add copies("copies are of arrays of the GPU", [] {
  auto *const a = allocate<int>(4), *const b = allocate<int>(4);
  int own[4] = {1, 2, 3, 4}, back[4] = {};
  expect(cudaErrorInvalidValue, cudaMemcpyAsync(own, own, 16, cudaMemcpyHostToDevice), "to the host's");
  expect(cudaErrorInvalidValue, cudaMemcpyAsync(a, b, 16, cudaMemcpyHostToDevice), "from the GPU's");
  expect(cudaErrorInvalidValue, cudaMemcpyAsync(a, own, 17, cudaMemcpyHostToDevice), "beyond the end");
  expect(cudaErrorInvalidValue, cudaMemcpyAsync(back, a + 1, 16, cudaMemcpyDeviceToHost),
         "from beyond the end");
  expect(cudaErrorInvalidValue, cudaMemcpyAsync(a, own, 16, cudaMemcpyDeviceToDevice),
         "within, from the host's");
  expect(cudaErrorInvalidValue, cudaMemsetAsync(a, 0, 17), "setting beyond the end");
  expect(cudaErrorInvalidMemcpyDirection, cudaMemcpyAsync(own, own, 4, cudaMemcpyHostToHost), "host to host");
  succeed(cudaMemcpyAsync(a, own, 16, cudaMemcpyDefault));
  succeed(cudaMemcpyAsync(b, a, 16, cudaMemcpyDeviceToDevice));
  succeed(cudaMemset(a, 0, 8));
  succeed(cudaMemcpyAsync(a + 2, b, 8, cudaMemcpyDefault));
  succeed(cudaMemcpy(back, a, 16, cudaMemcpyDeviceToHost));
  require(back[0] == 0 && back[1] == 0 && back[2] == 1 && back[3] == 2, "what was copied");
});

const Add other_gpu("a stream of a GPU has nothing to do with another's memory", [] {
  auto* const here = allocate<int>(1);
  const cudaStream_t stream = make_stream();
  succeed(cudaSetDevice(1));
  auto* const there = allocate<int>(1);
  int own = 0;
  expect(cudaErrorInvalidValue, cudaMemcpyAsync(here, &own, 4, cudaMemcpyHostToDevice), "a copy");
  expect(cudaErrorInvalidValue, cudaMemsetAsync(here, 0, 4), "setting");
  expect(cudaErrorInvalidValue, cudaMemcpyAsync(there, &own, 4, cudaMemcpyHostToDevice, stream),
         "a copy on its stream");
  succeed(cudaMemcpyAsync(here, &own, 4, cudaMemcpyHostToDevice, stream));
  succeed(cudaStreamSynchronize(stream));
});

const Add host_reads("the host reads the GPU's memory", "", [] {
  const volatile int* const array = allocate<int>(4);
  std::printf("%d\n", *array);
});
const Add host_writes("the host writes the GPU's memory", "",
                      [] { *const_cast<volatile int*>(allocate<int>(4)) = 1; });
const Add host_after("the host reads the GPU's memory after a wait", "", [] {
  auto* const array = allocate<int>(4);
  launch({}, set_number, array, 3);
  succeed(cudaStreamSynchronize(nullptr));
  std::printf("%d\n", *static_cast<const volatile int*>(array));
});

__global__ void write_at(int* to, std::ptrdiff_t at) { to[at] = 1; }
__global__ void read_at(const int* from, std::ptrdiff_t at) {
  static_cast<void>(static_cast<const volatile int*>(from)[at]);
}

void write_to_death(std::size_t count, std::ptrdiff_t at) {
  launch({}, write_at, allocate<int>(count), at);
  cudaStreamSynchronize(nullptr);
}
const Add after_pages("a kernel writes just beyond an array of whole lines",
                      "0 bytes beyond the end of an array of 256 bytes", [] { write_to_death(64, 64); });
const Add reads_after("a kernel reads just beyond an array of whole lines",
                      "0 bytes beyond the end of an array of 256 bytes", [] {
                        launch({}, read_at, allocate<int>(64), 64);
                        cudaStreamSynchronize(nullptr);
                      });
const Add far("a kernel writes far beyond an array", "bytes beyond the end of an array of 400 bytes",
              [] { write_to_death(100, 10000); });
const Add just_after("a kernel writes just beyond an array", "was written 0 bytes beyond its end",
                     [] { write_to_death(100, 100); });
const Add just_before("a kernel writes just before an array", "was written 4 bytes before its begin",
                      [] { write_to_death(100, -1); });
const Add found_at_free("a write beside an array is found when it is freed",
                        "was written 8 bytes beyond its end", [] {
                          auto* const array = allocate<int>(10);
                          launch({}, write_at, array, 12);
                          succeed(cudaFree(array));
                        });

const Add after_free("a kernel writes to what was freed", "cannot be touched", [] {
  auto* const array = allocate<int>(10);
  succeed(cudaFree(array));
  launch({}, write_at, array, 0);
  cudaStreamSynchronize(nullptr);
});
const Add of_another("a kernel writes to another GPU's memory", "in an array of 40 bytes of GPU 0", [] {
  auto* const array = allocate<int>(10);
  succeed(cudaSetDevice(1));
  launch({}, write_at, array, 0);
  cudaStreamSynchronize(nullptr);
});
const Add overlapping("a copy within an array onto itself", "overlap", [] {
  auto* const array = allocate<int>(10);
  cudaMemcpyAsync(array + 1, array, 20, cudaMemcpyDeviceToDevice);
});
const Add pinned_freed("pinned memory is freed before its copy has run", "before its copy had run", [] {
  auto* const array = allocate<int>(10);
  auto* const pinned = allocate_pinned<int>(10);
  succeed(cudaMemcpyAsync(array, pinned, 40, cudaMemcpyHostToDevice));
  succeed(cudaFreeHost(pinned));
  cudaStreamSynchronize(nullptr);
});

}  // namespace
}  // namespace checks
