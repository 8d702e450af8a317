#include "bpnet/kernels/dispatch.h"

#include <cstdlib>

#include "bpnet/core/error.h"
#include "bpnet/kernels/processor.h"
#include "bpnet/kernels/tables.h"

namespace bpnet {
namespace {

struct Backend {
  const char* name;
  bool (*supported)();
  const Kernels<float>* (*single)();
  const Kernels<double>* (*twofold)();
};

bool always() { return true; }

constexpr Backend kBackends[] = {
    // best first
    {"avx512", processor_has_avx512, avx512_kernels_float, avx512_kernels_double},
    {"avx2", processor_has_avx2, avx2_kernels_float, avx2_kernels_double},
    {"baseline", always, baseline_kernels_float, baseline_kernels_double},
    {"reference", always, reference_kernels_float, reference_kernels_double},
};

const Kernels<float>* table(const Backend& backend, float) { return backend.single(); }
const Kernels<double>* table(const Backend& backend, double) { return backend.twofold(); }

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

template <class T>
const Kernels<T>& kernels(const std::string& name) {
  const std::string& wanted = name.empty() ? default_name() : name;
  std::string there;
  for (const Backend& backend : kBackends) {
    if (!backend.supported()) continue;
    if (wanted == backend.name) return *table(backend, T{});
    there += there.empty() ? "" : ", ";
    there += backend.name;
  }
  fail<DeviceError>("backend: '", wanted, "' is not one of those that run on this processor: ", there,
                    name.empty() ? " (BPNET_BACKEND)" : "");
}

template const Kernels<float>& kernels<float>(const std::string&);
template const Kernels<double>& kernels<double>(const std::string&);

}  // namespace bpnet
