#include "bpnet/kernels/cuda_module.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "bpnet/core/error.h"
#include "bpnet/version.h"

namespace bpnet {
namespace {

constexpr const char kFile[] = "libbpnet_cuda.so";
constexpr const char kVariable[] = "BPNET_CUDA_LIBRARY";

// The folder of the program or library that this code is linked into, with a trailing slash.
std::string own_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&own_folder), &info) == 0 || !info.dli_fname) return "";
  const std::string path = info.dli_fname;
  return path.substr(0, path.rfind('/') + 1);
}

// Beside this code, else on the system's library path.
void* open_library(std::string& problem) {
  const char* const asked = std::getenv(kVariable);
  const bool named = asked != nullptr && *asked != '\0';
  const std::string beside = own_folder() + kFile;
  for (const std::string& path : {named ? std::string(asked) : beside, named ? "" : std::string(kFile)}) {
    if (path.empty()) continue;
    if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    const char* const reason = dlerror();
    problem += (problem.empty() ? "" : "; ") + std::string(reason ? reason : "unknown");
  }
  return nullptr;
}

struct Loaded {
  const CudaModule* module = nullptr;
  std::string problem;
};

Loaded load() {
  Loaded result;
  void* const library = open_library(result.problem);
  if (!library) return result;
  const auto getter = reinterpret_cast<CudaModuleGetter>(dlsym(library, kCudaModuleGetter));
  const CudaModule* const module = getter ? getter() : nullptr;
  if (!module) {
    result.problem = std::string(kFile) + " has no " + kCudaModuleGetter;
  } else if (std::strcmp(module->version, BPNET_VERSION) != 0) {
    result.problem = std::string(kFile) + " is of bpnet " + module->version + ", this is " + BPNET_VERSION;
  } else {
    result.module = module;
  }
  return result;
}

// Once per process.
const Loaded& loaded() {
  static const Loaded& library = *new Loaded(load());
  return library;
}

}  // namespace

const Backend& cuda_backend(int gpu) {
  if (!loaded().module) {
    fail<DeviceError>("device: 'cuda' needs bpnet's CUDA library: install bpnet from source with ",
                      "pip install . -C cmake.define.BPNET_CUDA=ON (", loaded().problem, ")");
  }
  return loaded().module->open(gpu);
}

int cuda_gpus() { return loaded().module ? loaded().module->gpus() : 0; }

const char* listed_cuda_backend() {
  static const char* const name = [] {
    const char* const asked = std::getenv(kVariable);
    const bool listed = asked != nullptr && *asked != '\0' && cuda_gpus() > 0;
    return listed ? loaded().module->backend : nullptr;
  }();
  return name;
}

}  // namespace bpnet
