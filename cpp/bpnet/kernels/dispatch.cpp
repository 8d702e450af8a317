#include "bpnet/kernels/dispatch.h"

#include <cstdlib>

#include "bpnet/core/error.h"
#include "bpnet/kernels/processor.h"
#include "bpnet/kernels/tables.h"

namespace bpnet {
namespace {

bool always() { return true; }

constexpr Backend kBackends[] = {
    // best first
    {"avx512", processor_has_avx512, host_memory, avx512_kernels_float, avx512_kernels_double},
    {"avx2", processor_has_avx2, host_memory, avx2_kernels_float, avx2_kernels_double},
    {"baseline", always, host_memory, baseline_kernels_float, baseline_kernels_double},
    {"reference", always, host_memory, reference_kernels_float, reference_kernels_double},
    {"guarded", has_guarded, guarded_memory, guarded_kernels_float, guarded_kernels_double},
};

// The processor is asked once per process, and the environment with it.
const std::string& default_name() {
  static const std::string name = [] {
    const char* asked = std::getenv("BPNET_BACKEND");
    return asked != nullptr && *asked != '\0' ? std::string(asked) : backends().front();
  }();
  return name;
}

}  // namespace

std::vector<std::string> backends() {
  std::vector<std::string> names;
  for (const Backend& backend : kBackends) {
    if (backend.supported()) names.emplace_back(backend.name);
  }
  return names;
}

const Backend& find_backend(const std::string& name) {
  const std::string& wanted = name.empty() ? default_name() : name;
  std::string there;
  for (const Backend& backend : kBackends) {
    if (!backend.supported()) continue;
    if (wanted == backend.name) return backend;
    there += there.empty() ? "" : ", ";
    there += backend.name;
  }
  fail<DeviceError>("backend: '", wanted, "' is not one of those that run on this processor: ", there,
                    name.empty() ? " (BPNET_BACKEND)" : "");
}

}  // namespace bpnet
