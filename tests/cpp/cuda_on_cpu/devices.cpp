#include "devices.h"

#include "death.h"
#include "entry.h"
#include "settings.h"
#include "shared_memory.h"

namespace cuda_on_cpu {
namespace {

thread_local int current = 0;
cudaError_t failures[kMostDevices] = {};

int capability() { return static_cast<int>(setting("BPNET_CUDA_ON_CPU_CAPABILITY", 80)); }

constexpr int kMultiprocessors = 4;  // few, so that small arrays need more than one wave of blocks

cudaError_t attribute(int* value, cudaDeviceAttr which) {
  switch (which) {
    case cudaDevAttrMaxThreadsPerBlock: return *value = 1024, cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock: return *value = kFreeShared, cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: return *value = kMostShared, cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: return *value = kMostShared + 1024, cudaSuccess;
    case cudaDevAttrWarpSize: return *value = 32, cudaSuccess;
    case cudaDevAttrMultiProcessorCount: return *value = kMultiprocessors, cudaSuccess;
    case cudaDevAttrMaxThreadsPerMultiProcessor: return *value = 2048, cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor: return *value = capability() / 10, cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor: return *value = capability() % 10, cudaSuccess;
    case cudaDevAttrCooperativeLaunch: return *value = 0, cudaSuccess;
  }
  return cudaErrorInvalidValue;
}

cudaError_t check_device(int device) {
  if (device_count() == 0) return cudaErrorNoDevice;
  return device >= 0 && device < device_count() ? cudaSuccess : cudaErrorInvalidDevice;
}

}  // namespace

int device_count() {
  static const auto count = setting("BPNET_CUDA_ON_CPU_DEVICES", 2);
  if (count > kMostDevices) die("BPNET_CUDA_ON_CPU_DEVICES is above %d", kMostDevices);
  return static_cast<int>(count);
}
int current_device() { return current; }
cudaError_t& failure_of(int device) { return failures[device]; }

}  // namespace cuda_on_cpu

using cuda_on_cpu::call;

cudaError_t cudaGetDeviceCount(int* count) {
  return call("cudaGetDeviceCount", [&] {
    *count = cuda_on_cpu::device_count();
    return *count == 0 ? cudaErrorNoDevice : cudaSuccess;
  });
}
cudaError_t cudaSetDevice(int device) {
  return call(
      "cudaSetDevice",
      [&] {
        const cudaError_t error = cuda_on_cpu::check_device(device);
        if (error == cudaSuccess) cuda_on_cpu::current = device;
        return error;
      },
      true);
}
cudaError_t cudaGetDevice(int* device) {
  return call("cudaGetDevice",
              [&] { return *device = cuda_on_cpu::current, cuda_on_cpu::check_device(*device); });
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int device) {
  return call("cudaDeviceGetAttribute", [&] {
    const cudaError_t error = cuda_on_cpu::check_device(device);
    return error == cudaSuccess ? cuda_on_cpu::attribute(value, which) : error;
  });
}
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = 13000, cudaSuccess; }
cudaError_t cudaDriverGetVersion(int* version) { return *version = 13000, cudaSuccess; }
int cuda_on_cpu_current_device() { return cuda_on_cpu::current_device(); }
