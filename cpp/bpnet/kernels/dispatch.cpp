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
     nullptr, false, true},
    {"avx2", processor_has_avx2, the_hosts, avx2_kernels_float, avx2_kernels_double, 0, false, nullptr, false,
     true},
    {"baseline", always, the_hosts, baseline_kernels_float, baseline_kernels_double, 0, false, nullptr, false,
     true},
    {"reference", always, the_hosts, reference_kernels_float, reference_kernels_double},
    {"guarded", has_guarded, the_guarded, guarded_kernels_float, guarded_kernels_double},
};

const Backend& best_of_float32() {
  const Backend* best = kBackends;
  while (!best->supported()) ++best;
  return *best;
}

bool has_amx() { return has_bfloat16_instructions() && processor_has_amx(); }
bool has_avx512_bf16() { return has_bfloat16_instructions() && processor_has_avx512_bf16(); }

const Kernels<double>* best_kernels_double() { return &best_of_float32().kernels<double>(); }

constexpr Backend bfloat16_backend(const char* name, bool (*supported)(), const Kernels<float>* (*single)(),
                                   const Preparation<float>* (*preparation)(), bool model) {
  return {name,    supported, the_hosts, single, best_kernels_double, 0, false,
          nullptr, true,      false,     model,  preparation};
}

constexpr Backend kBfloat16Backends[] = {
    // best first
    bfloat16_backend("amx", has_amx, amx_kernels, amx_preparation, false),
    bfloat16_backend("avx512_bf16", has_avx512_bf16, avx512_bf16_kernels, avx512_bf16_preparation, false),
    bfloat16_backend("amx_model", always, amx_model_kernels, amx_model_preparation, true),
    bfloat16_backend("avx512_bf16_model", always, avx512_bf16_model_kernels, avx512_bf16_model_preparation,
                     true),
};

const Backend* bfloat16_called(const std::string& name) {
  for (const Backend& backend : kBfloat16Backends) {
    if (name == backend.name) return &backend;
  }
  return nullptr;
}

std::string listed(const std::vector<std::string>& names) {
  std::string result;
  for (const std::string& name : names) result += (result.empty() ? "" : ", ") + name;
  return result;
}

// BPNET_BACKEND, read once per process; empty where it is not set.
const std::string& backend_of_environment() {
  static const std::string name = [] {
    const char* asked = std::getenv("BPNET_BACKEND");
    return std::string(asked != nullptr ? asked : "");
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
  const std::string& asked = name.empty() ? backend_of_environment() : name;
  const bool unasked = asked.empty() || (name.empty() && bfloat16_called(asked));
  const std::string wanted = unasked ? best_of_float32().name : asked;
  const char* const gpus = listed_cuda_backend();
  if (gpus && wanted == gpus) return cuda_backend(0);
  for (const Backend& backend : kBackends) {
    if (wanted == backend.name && backend.supported()) return backend;
  }
  if (bfloat16_called(wanted)) {
    fail<ValueError>("backend: '", wanted,
                     "' multiplies in bfloat16, precision is 'full'; give precision "
                     "'bfloat16', or one of the backends ",
                     listed(backends()));
  }
  fail<DeviceError>("backend: '", wanted,
                    "' is not one of those that run on this processor: ", listed(backends()),
                    name.empty() ? " (BPNET_BACKEND)" : "");
}

// The same with products in bfloat16; a BPNET_BACKEND that is not one of these is ignored here.
const Backend& bfloat16_backend_called(const std::string& name) {
  const std::string& asked = name.empty() ? backend_of_environment() : name;
  const std::vector<std::string> there = backends(Precision::kBfloat16);
  if (const Backend* const found = bfloat16_called(asked)) {
    if (found->supported()) return *found;
    fail<DeviceError>(
        "backend: '", asked, "' is not one of those that run on this processor: ", listed(there),
        name.empty() ? " (BPNET_BACKEND)" : "", "; '", asked, "_model' computes the same bits, slowly");
  }
  if (name.empty()) return *bfloat16_called(there.front());
  fail<ValueError>("precision: 'bfloat16' is computed by the backends ", listed(there), ", the backend is '",
                   name, "'; leave backend out, or give precision 'full'");
}

}  // namespace

const Kernels<float>& best_float32_kernels() {
  static const Kernels<float>& kernels = best_of_float32().kernels<float>();
  return kernels;
}

std::vector<std::string> backends(Precision precision) {
  std::vector<std::string> names;
  const auto list = [&](const auto& known) {
    for (const Backend& backend : known) {
      if (backend.supported()) names.emplace_back(backend.name);
    }
  };
  if (precision == Precision::kBfloat16) {
    list(kBfloat16Backends);
    return names;
  }
  list(kBackends);
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
  const Precision precision = where.precision.value_or(Precision::kFull);
  if (precision == Precision::kBfloat16) {
    if (gpu >= 0) {
      fail<ValueError>("precision: 'bfloat16' is for the processor, device is '", where.device,
                       "'; give precision 'full' or 'tf32', or device 'cpu'");
    }
    return bfloat16_backend_called(where.backend);
  }
  const Backend& backend = gpu >= 0 ? cuda_backend(gpu) : backend_called(where.backend);
  if (precision == Precision::kTf32 && !backend.gpu) {
    fail<ValueError>("precision: '", precision_name(precision), "' is for a GPU, the backend is '",
                     backend.name, "'; give device 'cuda', or leave precision out");
  }
  return backend;
}

template <class T>
const Backend& find_backend_for(const Where& where) {
  const Precision precision = where.precision.value_or(Precision::kFull);
  if (precision != Precision::kFull && sizeof(T) != sizeof(float)) {
    fail<ValueError>(
        "precision: '", precision_name(precision),
        "' is for float32, the network's dtype is float64; choose float32, or leave precision out");
  }
  const Backend& backend = find_backend(where);
  if (where.winograd.value_or(false) && !backend.winograd) {
    fail<ValueError>(
        "winograd: it is for products in full precision on the processor, by the backends 'avx512', ",
        "'avx2' and 'baseline'; the backend is '", backend.name, "'; give winograd false");
  }
  return backend;
}

Precision precision_from(const std::string& name) {
  for (const Precision precision : {Precision::kFull, Precision::kTf32, Precision::kBfloat16}) {
    if (name == precision_name(precision)) return precision;
  }
  fail<ValueError>("precision: '", name, "' is unknown; give 'full', 'tf32' or 'bfloat16'");
}

const char* precision_name(Precision precision) {
  switch (precision) {
    case Precision::kTf32: return "tf32";
    case Precision::kBfloat16: return "bfloat16";
    default: return "full";
  }
}

template const Backend& find_backend_for<float>(const Where&);
template const Backend& find_backend_for<double>(const Where&);

}  // namespace bpnet
