#include "pipelines.h"

#include <cuda_pipeline_primitives.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <vector>

#include "death.h"
#include "threads.h"

namespace cuda_on_cpu {
namespace {

struct Copy {
  void* to;
  const void* from;
  std::size_t bytes;
};

struct Pipeline {
  std::vector<Copy> begun;                // since the last commit
  std::deque<std::vector<Copy>> batches;  // that were committed
};

std::array<Pipeline, 1024>& pipelines() {  // by thread of the block
  static auto& all = *new std::array<Pipeline, 1024>;
  return all;
}
std::size_t unfinished_copies = 0;  // of all threads

void finish(const std::vector<Copy>& batch) {
  for (const Copy& copy : batch) {
    note_read(copy.from, copy.bytes);
    note_write(copy.to, copy.bytes);
    std::memcpy(copy.to, copy.from, copy.bytes);
  }
  unfinished_copies -= batch.size();
}

bool aligned(const void* address, std::size_t bytes) {
  return reinterpret_cast<std::uintptr_t>(address) % bytes == 0;
}

}  // namespace

void finish_copies(unsigned thread) {
  if (unfinished_copies == 0) return;
  Pipeline& pipeline = pipelines()[thread];
  for (const auto& batch : pipeline.batches) finish(batch);
  pipeline.batches.clear();
  finish(pipeline.begun);
  pipeline.begun.clear();
}

}  // namespace cuda_on_cpu

using cuda_on_cpu::pipelines;
using cuda_on_cpu::running_index;

void __pipeline_memcpy_async(void* to, const void* from, std::size_t bytes) {
  if ((bytes != 4 && bytes != 8 && bytes != 16) || !cuda_on_cpu::aligned(to, bytes) ||
      !cuda_on_cpu::aligned(from, bytes)) {
    cuda_on_cpu::die(
        "__pipeline_memcpy_async: %zu bytes are copied to %p from %p; 4, 8 or 16 are, aligned to as many\n  by %s",
        bytes, to, from, cuda_on_cpu::running_thread().c_str());
  }
  pipelines()[running_index()].begun.push_back({to, from, bytes});
  ++cuda_on_cpu::unfinished_copies;
}
void __pipeline_commit() {
  cuda_on_cpu::Pipeline& pipeline = pipelines()[running_index()];
  pipeline.batches.push_back(std::move(pipeline.begun));
  pipeline.begun.clear();
}
void __pipeline_wait_prior(std::size_t unfinished) {
  auto& batches = pipelines()[running_index()].batches;
  for (; batches.size() > unfinished; batches.pop_front()) cuda_on_cpu::finish(batches.front());
}
