#include "memory.h"

#include <sys/mman.h>

#include <cstdio>
#include <map>

#include "devices.h"
#include "entry.h"
#include "graphs.h"
#include "pages.h"
#include "races.h"
#include "settings.h"
#include "streams.h"

namespace cuda_on_cpu {
namespace {

constexpr int kPinnedDevice = -1;

struct Array {
  Pages pages;
  int device;  // or kPinnedDevice
};

std::map<const unsigned char*, Array>& arrays() {  // by start address
  static auto& all = *new std::map<const unsigned char*, Array>;
  return all;
}
std::size_t used[kMostDevices] = {};

std::size_t memory_size() {
  static const std::size_t size = setting("BPNET_CUDA_ON_CPU_MEMORY", std::size_t{4} << 30);
  return size;
}

std::size_t rounded(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

void set_protection(int device, int protection) {
  for (const auto& [begin, array] : arrays()) {
    if (array.device == device) protect(array.pages.first, array.pages.open_bytes, protection);
  }
}

// The last array that begins at or before the address.
const Array* array_before(const void* address) {
  auto after = arrays().upper_bound(static_cast<const unsigned char*>(address));
  return after == arrays().begin() ? nullptr : &(--after)->second;
}

cudaError_t allocate(void** memory, std::size_t bytes) {
  *memory = nullptr;
  if (bytes == 0) return cudaSuccess;
  const int device = current_device();
  if (device_count() == 0) return cudaErrorNoDevice;
  if (bytes > memory_size() || rounded(bytes) > memory_size() - used[device])
    return cudaErrorMemoryAllocation;
  const Pages pages = take_pages(bytes);
  if (!pages.begin) return cudaErrorMemoryAllocation;
  protect(pages.first, pages.open_bytes, PROT_NONE);
  used[device] += rounded(bytes);
  arrays().emplace(pages.begin, Array{pages, device});
  array_begins(pages.begin, bytes);
  return *memory = pages.begin, cudaSuccess;
}

cudaError_t release(void* memory) {
  if (!memory) return cudaSuccess;
  const auto found = arrays().find(static_cast<unsigned char*>(memory));
  if (found == arrays().end() || found->second.device == kPinnedDevice) return cudaErrorInvalidValue;
  const Array array = found->second;
  finish_device(array.device);  // as CUDA does
  {
    const Open open(array.device);
    check_canary(array.pages, "an array of the GPU");
  }
  arrays().erase(found);
  array_ends(array.pages.begin);
  used[array.device] -= rounded(array.pages.bytes);
  give_pages(array.pages);
  return cudaSuccess;
}

cudaError_t allocate_pinned(void** memory, std::size_t bytes) {
  *memory = nullptr;
  if (device_count() == 0) return cudaErrorNoDevice;
  if (bytes == 0) return cudaSuccess;
  const Pages pages = take_pages(bytes);
  if (!pages.begin) return cudaErrorMemoryAllocation;
  arrays().emplace(pages.begin, Array{pages, kPinnedDevice});
  return *memory = pages.begin, cudaSuccess;
}

cudaError_t release_pinned(void* memory) {
  if (!memory) return cudaSuccess;
  const auto found = arrays().find(static_cast<unsigned char*>(memory));
  if (found == arrays().end() || found->second.device != kPinnedDevice) return cudaErrorInvalidValue;
  check_canary(found->second.pages, "a pinned array");
  give_pages(found->second.pages);
  arrays().erase(found);
  return cudaSuccess;
}

}  // namespace

Open::Open(int device) : device_(device) { set_protection(device_, PROT_READ | PROT_WRITE); }
Open::~Open() { set_protection(device_, PROT_NONE); }

Where where(const void* address, std::size_t bytes) {
  const auto* const at = static_cast<const unsigned char*>(address);
  const Array* const array = array_before(address);
  if (!array || at >= array->pages.begin + array->pages.bytes) return {Where::kHost, 0};
  const auto available = static_cast<std::size_t>(array->pages.begin + array->pages.bytes - at);
  if (bytes > available) return {Where::kBeyond, array->device};
  return {array->device == kPinnedDevice ? Where::kPinned : Where::kDevice, array->device};
}

void check_canaries(int device) {
  for (const auto& [begin, array] : arrays()) {
    if (array.device == device) check_canary(array.pages, "an array of the GPU");
  }
}

const char* describe(const void* address, char* text, std::size_t size) {
  const auto* const at = static_cast<const unsigned char*>(address);
  const Array* const array = array_before(address);
  if (!array) return std::snprintf(text, size, "no array is there"), text;
  const unsigned char* const end = array->pages.begin + array->pages.bytes;
  if (at < end) {
    std::snprintf(text, size, "in an array of %zu bytes of GPU %d", array->pages.bytes, array->device);
  } else {
    std::snprintf(text, size, "%zu bytes beyond the end of an array of %zu bytes of GPU %d",
                  static_cast<std::size_t>(at - end), array->pages.bytes, array->device);
  }
  return text;
}

}  // namespace cuda_on_cpu

using cuda_on_cpu::call;

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  return call("cudaMalloc", [&] {
    const cudaError_t refused = cuda_on_cpu::refuse_in_capture();
    return refused == cudaSuccess ? cuda_on_cpu::allocate(memory, bytes) : refused;
  });
}
cudaError_t cudaFree(void* memory) {
  return call("cudaFree", [&] {
    const cudaError_t refused = cuda_on_cpu::refuse_in_capture();
    return refused == cudaSuccess ? cuda_on_cpu::release(memory) : refused;
  });
}
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  return call("cudaMallocHost", [&] {
    const cudaError_t refused = cuda_on_cpu::refuse_in_capture();
    return refused == cudaSuccess ? cuda_on_cpu::allocate_pinned(memory, bytes) : refused;
  });
}
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned flags) {
  return call("cudaHostAlloc", [&] {
    if (flags & ~cudaHostAllocPortable) return cudaErrorNotSupported;
    const cudaError_t refused = cuda_on_cpu::refuse_in_capture();
    return refused == cudaSuccess ? cuda_on_cpu::allocate_pinned(memory, bytes) : refused;
  });
}
cudaError_t cudaFreeHost(void* memory) {
  return call("cudaFreeHost", [&] {
    const cudaError_t refused = cuda_on_cpu::refuse_in_capture();
    return refused == cudaSuccess ? cuda_on_cpu::release_pinned(memory) : refused;
  });
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  return call("cudaMemGetInfo", [&] {
    if (cuda_on_cpu::device_count() == 0) return cudaErrorNoDevice;
    *total = cuda_on_cpu::memory_size();
    *free = *total - cuda_on_cpu::used[cuda_on_cpu::current_device()];
    return cudaSuccess;
  });
}
