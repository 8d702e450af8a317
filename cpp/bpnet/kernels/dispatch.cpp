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
    {"avx512", processor_has_avx512, the_hosts, avx512_kernels_float, avx512_kernels_double, 0, false,
     nullptr, true},
    {"avx2", processor_has_avx2, the_hosts, avx2_kernels_float, avx2_kernels_double, 0, false, nullptr, true},
    {"baseline", always, the_hosts, baseline_kernels_float, baseline_kernels_double, 0, false, nullptr, true},
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

const Backend& backend_called(const std::string& name) {
  const std::string& wanted = name.empty() ? default_name() : name;
  const char* const gpus = listed_cuda_backend();
  if (gpus && wanted == gpus) return cuda_backend(0);
  std::string there;
  for (const Backend& backend : kBackends) {
    if (!backend.supported()) continue;
    if (wanted == backend.name) return backend;
    there += there.empty() ? "" : ", ";
    there += backend.name;
  }
  if (gpus) there += std::string(", ") + gpus;
  fail<DeviceError>("backend: '", wanted, "' is not one of those that run on this processor: ", there,
                    name.empty() ? " (BPNET_BACKEND)" : "");
}

}  // namespace

std::vector<std::string> backends() {
  std::vector<std::string> names;
  for (const Backend& backend : kBackends) {
    if (backend.supported()) names.emplace_back(backend.name);
  }
  if (const char* const gpus = listed_cuda_backend()) names.emplace_back(gpus);
  return names;
}

std::vector<std::string> devices() {
  std::vector<std::string> names{"cpu"};
  for (int gpu = 0; gpu < cuda_gpus(); ++gpu) names.push_back("cuda:" + std::to_string(gpu));
  return names;
}

const Backend& find_backend(const Where& where) {
  const int gpu = gpu_number(where.device);
  if (gpu >= 0 && !where.backend.empty()) {
    fail<ValueError>("backend: '", where.backend, "' is one of the processor's, device is '", where.device,
                     "'; give one of the two");
  }
  const Backend& backend = gpu >= 0 ? cuda_backend(gpu) : backend_called(where.backend);
  if (where.precision != Precision::kFull && !backend.gpu) {
    fail<ValueError>("precision: '", precision_name(where.precision), "' is for a GPU, the backend is '",
                     backend.name, "'; give device 'cuda', or leave precision out");
  }
  if (where.winograd.value_or(false) && !backend.winograd) {
    fail<ValueError>(
        "winograd: it is for products in full precision on the processor, by the backends 'avx512', ",
        "'avx2' and 'baseline'; the backend is '", backend.name, "'; leave winograd out, or switch it off");
  }
  return backend;
}

template <class T>
const Backend& find_backend_for(const Where& where) {
  if (where.precision != Precision::kFull && sizeof(T) != sizeof(float)) {
    fail<ValueError>(
        "precision: '", precision_name(where.precision),
        "' is for float32, the network's dtype is float64; choose float32, or leave precision out");
  }
  return find_backend(where);
}

Precision precision_from(const std::string& name) {
  for (const Precision precision : {Precision::kFull, Precision::kTf32}) {
    if (name == precision_name(precision)) return precision;
  }
  fail<ValueError>("precision: '", name, "' is unknown; give 'full' or 'tf32'");
}

const char* precision_name(Precision precision) { return precision == Precision::kTf32 ? "tf32" : "full"; }

template const Backend& find_backend_for<float>(const Where&);
template const Backend& find_backend_for<double>(const Where&);

}  // namespace bpnet
