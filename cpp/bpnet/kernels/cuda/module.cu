// What libbpnet_cuda exports.
#include <map>
#include <mutex>

#include "bpnet/kernels/cuda/device.h"
#include "bpnet/kernels/cuda/memory.h"
#include "bpnet/kernels/cuda/recorder.h"
#include "bpnet/kernels/cuda/table.h"
#include "bpnet/kernels/cuda_module.h"
#include "bpnet/version.h"

namespace bpnet::cuda {
namespace {

bool always() { return true; }

const Backend& open(int gpu) {
  static std::mutex& mutex = *new std::mutex;
  static std::map<int, Backend>& backends = *new std::map<int, Backend>;
  Device::get(gpu);
  const std::lock_guard<std::mutex> lock(mutex);
  const Backend backend{BPNET_BACKEND_NAME, always, memory_of, table<float>,
                        table<double>,      gpu,    true,      &kRecorder};
  return backends.try_emplace(gpu, backend).first->second;
}

}  // namespace
}  // namespace bpnet::cuda

extern "C" __attribute__((visibility("default"))) const bpnet::CudaModule* bpnet_cuda_module() {
  static const bpnet::CudaModule module = {BPNET_VERSION, BPNET_BACKEND_NAME, bpnet::cuda::Device::count,
                                           bpnet::cuda::open};
  return &module;
}
