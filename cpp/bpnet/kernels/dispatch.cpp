#include "bpnet/kernels/dispatch.h"

#include <cstdlib>

#include "bpnet/core/error.h"
#include "bpnet/kernels/cuda_module.h"
#include "bpnet/kernels/processor.h"
#include "bpnet/kernels/tables.h"

namespace bpnet {
namespace {

bool always() { return true; }
const Memory& the_hosts(int) { return host_memory(); }
const Memory& the_guarded(int) { return guarded_memory(); }

constexpr Backend kBackends[] = {
    // best first
    {"avx512", processor_has_avx512, the_hosts, avx512_kernels_float, avx512_kernels_double},
    {"avx2", processor_has_avx2, the_hosts, avx2_kernels_float, avx2_kernels_double},
    {"baseline", always, the_hosts, baseline_kernels_float, baseline_kernels_double},
    {"reference", always, the_hosts, reference_kernels_float, reference_kernels_double},
    {"guarded", has_guarded, the_guarded, guarded_kernels_float, guarded_kernels_double},
};

// The processor is asked once per process, and the environment with it.
const std::string& default_name() {
  static const std::string name = [] {
    const char* asked = std::getenv("BPNET_BACKEND");
    return asked != nullptr && *asked != '\0' ? std::string(asked) : backends().front();
  }();
  return name;
}

// The number of the GPU that "cuda" or "cuda:1" names; −1 for the processor.
int gpu_number(const std::string& device) {
  constexpr const char kCuda[] = "cuda";
  const std::string number = device.size() > 5 ? device.substr(5) : "0";
  const bool digits = number.find_first_not_of("0123456789") == std::string::npos && number.size() < 4;
  if (device == "cpu") return -1;
  if (device != kCuda && (device.rfind("cuda:", 0) != 0 || device.size() == 5 || !digits)) {
    fail<ValueError>("device: '", device, "' is unknown; give 'cpu', 'cuda', or 'cuda:1' for the second GPU");
  }
  return std::atoi(number.c_str());
}

}  // namespace

std::vector<std::string> backends() {
  std::vector<std::string> names;
  for (const Backend& backend : kBackends) {
    if (backend.supported()) names.emplace_back(backend.name);
  }
  if (has_cuda_on_cpu()) names.emplace_back(kCudaOnCpu);
  return names;
}

const Backend& find_backend(const std::string& name, const std::string& device) {
  const int gpu = gpu_number(device);
  if (gpu >= 0 && !name.empty()) {
    fail<ValueError>("backend: '", name, "' is one of the processor's, device is '", device,
                     "'; give one of the two");
  }
  if (gpu >= 0) return cuda_backend(gpu);
  const std::string& wanted = name.empty() ? default_name() : name;
  if (wanted == kCudaOnCpu && has_cuda_on_cpu()) return cuda_backend(0);
  std::string there;
  for (const Backend& backend : kBackends) {
    if (!backend.supported()) continue;
    if (wanted == backend.name) return backend;
    there += there.empty() ? "" : ", ";
    there += backend.name;
  }
  if (has_cuda_on_cpu()) there += std::string(", ") + kCudaOnCpu;
  fail<DeviceError>("backend: '", wanted, "' is not one of those that run on this processor: ", there,
                    name.empty() ? " (BPNET_BACKEND)" : "");
}

}  // namespace bpnet
