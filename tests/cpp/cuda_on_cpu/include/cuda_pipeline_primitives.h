// Copies into shared memory that a thread begins and later waits for: they are made when it waits, so that
// who reads them before finds other numbers.
#pragma once

#include <cuda_runtime.h>

#include <cstring>
#include <vector>

namespace cuda_on_cpu {

struct Copy {
  void* to;
  const void* from;
  std::size_t bytes;
};
inline std::vector<Copy> begun[1024];  // by thread of the block

}  // namespace cuda_on_cpu

inline void __pipeline_memcpy_async(void* to, const void* from, std::size_t bytes) {
  cuda_on_cpu::begun[threadIdx.x].push_back({to, from, bytes});
}
inline void __pipeline_commit() {}
inline void __pipeline_wait_prior(std::size_t) {
  for (const cuda_on_cpu::Copy& copy : cuda_on_cpu::begun[threadIdx.x])
    std::memcpy(copy.to, copy.from, copy.bytes);
  cuda_on_cpu::begun[threadIdx.x].clear();
}
