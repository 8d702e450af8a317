// The operations of a stream: launches, copies, and functions of the host.

#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "death.h"
#include "devices.h"
#include "entry.h"
#include "graphs.h"
#include "memory.h"
#include "races.h"
#include "shared_memory.h"
#include "streams.h"
#include "threads.h"

namespace cuda_on_cpu {
namespace {

std::map<const void*, int>& shared_limits() {  // of the kernels that requested one
  static auto& all = *new std::map<const void*, int>;
  return all;
}

std::size_t shared_limit(const void* function) {
  const auto found = shared_limits().find(function);
  return found == shared_limits().end() ? kFreeShared : static_cast<std::size_t>(found->second);
}

cudaError_t check_launch(const cudaLaunchConfig_t& config, const void* function) {
  const dim3 &grid = config.gridDim, &block = config.blockDim;
  if (config.numAttrs > 0) return cudaErrorNotSupported;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || block.x == 0 || block.y == 0 || block.z == 0) {
    return cudaErrorInvalidConfiguration;
  }
  if (grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) return cudaErrorInvalidConfiguration;
  if (block.x > 1024 || block.y > 1024 || block.z > 64 || block.x * block.y * block.z > 1024) {
    return cudaErrorInvalidConfiguration;
  }
  return config.dynamicSmemBytes > shared_limit(function) ? cudaErrorInvalidValue : cudaSuccess;
}

// The current GPU's.
CUstream_st* stream_here(cudaStream_t handle) {
  CUstream_st* const stream = find_stream(handle);
  return stream && stream->device == current_device() ? stream : nullptr;
}

bool overlap(const void* to, const void* from, std::size_t bytes) {
  const auto a = reinterpret_cast<std::uintptr_t>(to), b = reinterpret_cast<std::uintptr_t>(from);
  return a < b + bytes && b < a + bytes;
}

bool is_host(Where where) { return where.kind == Where::kHost || where.kind == Where::kPinned; }
bool is_of(Where where, const CUstream_st& stream) {
  return where.kind == Where::kDevice && where.device == stream.device;
}

void check_still_pinned(const void* array, std::size_t bytes) {
  if (where(array, bytes).kind != Where::kPinned) die("a pinned array was freed before its copy had run");
}

void write(void* to, const void* from, std::size_t bytes) {  // to the GPU's memory
  std::memcpy(to, from, bytes);
  array_written(to, bytes);
}

// The host may change the array after this has returned, unless it is pinned.
cudaError_t copy_to_device(CUstream_st& stream, void* to, const void* from, std::size_t bytes, bool pinned) {
  if (pinned) {
    return add_work(stream, {[=] {
                      check_still_pinned(from, bytes);
                      write(to, from, bytes);
                    }});
  }
  if (stream.capture) return stream.capture->invalid = true, cudaErrorStreamCaptureUnsupported;
  const auto* const first = static_cast<const unsigned char*>(from);
  auto copy = std::make_shared<std::vector<unsigned char>>(first, first + bytes);
  return add_work(stream, {[=] { write(to, copy->data(), bytes); }});
}

cudaError_t copy_to_host(CUstream_st& stream, void* to, const void* from, std::size_t bytes, bool pinned) {
  if (pinned) {
    return add_work(stream, {[=] {
                      check_still_pinned(to, bytes);
                      std::memcpy(to, from, bytes);
                    }});
  }
  if (stream.capture) return stream.capture->invalid = true, cudaErrorStreamCaptureUnsupported;
  add_work(stream, {[=] { std::memcpy(to, from, bytes); }});
  return finish_stream(stream), cudaSuccess;
}

cudaMemcpyKind kind_of(Where to, Where from) {
  if (is_host(to)) return is_host(from) ? cudaMemcpyHostToHost : cudaMemcpyDeviceToHost;
  return is_host(from) ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToDevice;
}

cudaError_t copy(CUstream_st& stream, void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  if (bytes == 0) return cudaSuccess;
  const Where there = where(to, bytes), here = where(from, bytes);
  if (kind == cudaMemcpyDefault) kind = kind_of(there, here);
  switch (kind) {
    case cudaMemcpyHostToDevice:
      if (!is_of(there, stream) || !is_host(here)) return cudaErrorInvalidValue;
      return copy_to_device(stream, to, from, bytes, here.kind == Where::kPinned);
    case cudaMemcpyDeviceToHost:
      if (!is_host(there) || !is_of(here, stream)) return cudaErrorInvalidValue;
      return copy_to_host(stream, to, from, bytes, there.kind == Where::kPinned);
    case cudaMemcpyDeviceToDevice:
      if (!is_of(there, stream) || !is_of(here, stream)) return cudaErrorInvalidValue;
      if (overlap(to, from, bytes))
        die("cudaMemcpyAsync: the two arrays overlap, which CUDA leaves undefined");
      return add_work(stream, {[=] { write(to, from, bytes); }});
    default: return cudaErrorInvalidMemcpyDirection;
  }
}

cudaError_t set(CUstream_st& stream, void* to, int value, std::size_t bytes) {
  if (bytes == 0) return cudaSuccess;
  if (!is_of(where(to, bytes), stream)) return cudaErrorInvalidValue;
  return add_work(stream, {[=] {
                    std::memset(to, value, bytes);
                    array_written(to, bytes);
                  }});
}

// On the current GPU's default stream, and waits for it.
template <class Body>
cudaError_t at_once(const Body& body) {
  CUstream_st* const stream = find_stream(nullptr);
  if (!stream) return cudaErrorNoDevice;
  cudaError_t error = refuse_in_capture();
  if (error == cudaSuccess) error = body(*stream);
  if (error == cudaSuccess) finish_stream(*stream);
  return error;
}

}  // namespace

cudaError_t launch(const cudaLaunchConfig_t& config, Kernel kernel) {
  return call("cudaLaunchKernelEx", [&] {
    CUstream_st* const stream = stream_here(config.stream);
    if (!stream) return device_count() == 0 ? cudaErrorNoDevice : cudaErrorInvalidResourceHandle;
    const cudaError_t error = check_launch(config, kernel.function);
    if (error != cudaSuccess) return error;
    const Launch started{config.gridDim, config.blockDim, config.dynamicSmemBytes, std::move(kernel)};
    return add_work(*stream, {[=, device = stream->device] {
      if (begin_kernel(device)) run(started);
    }});
  });
}

cudaError_t set_attribute(const void* function, cudaFuncAttribute attribute, int value) {
  return call("cudaFuncSetAttribute", [&] {
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaErrorNotSupported;
    if (value < 0 || static_cast<std::size_t>(value) > kMostShared) return cudaErrorInvalidValue;
    return shared_limits()[function] = value, cudaSuccess;
  });
}

cudaError_t enqueue(cudaStream_t handle, const char* what, std::function<void()> work) {
  return call(what, [&] {
    CUstream_st* const stream = stream_here(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    return add_work(*stream, {[work = std::move(work), device = stream->device] {
      if (begin_kernel(device)) work();
    }});
  });
}

}  // namespace cuda_on_cpu

using cuda_on_cpu::call;

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t handle) {
  return call("cudaMemcpyAsync", [&] {
    CUstream_st* const stream = cuda_on_cpu::find_stream(handle);
    return stream ? cuda_on_cpu::copy(*stream, to, from, bytes, kind) : cudaErrorInvalidResourceHandle;
  });
}
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  return call("cudaMemcpy", [&] {
    return cuda_on_cpu::at_once(
        [&](CUstream_st& stream) { return cuda_on_cpu::copy(stream, to, from, bytes, kind); });
  });
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t handle) {
  return call("cudaMemsetAsync", [&] {
    CUstream_st* const stream = cuda_on_cpu::find_stream(handle);
    return stream ? cuda_on_cpu::set(*stream, to, value, bytes) : cudaErrorInvalidResourceHandle;
  });
}
cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  return call("cudaMemset", [&] {
    return cuda_on_cpu::at_once(
        [&](CUstream_st& stream) { return cuda_on_cpu::set(stream, to, value, bytes); });
  });
}
cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* argument) {
  return call("cudaLaunchHostFunc", [&] {
    CUstream_st* const stream = cuda_on_cpu::find_stream(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    return cuda_on_cpu::add_work(*stream, {[=] { function(argument); }, false});
  });
}
