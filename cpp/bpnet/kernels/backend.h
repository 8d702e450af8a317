// A backend of a network: a memory for its arrays, and the arithmetic on them in both types.
#pragma once

#include <string>

#include "bpnet/core/memory/memory.h"
#include "bpnet/kernels/kernels.h"
#include "bpnet/kernels/preparation.h"
#include "bpnet/kernels/recorder.h"

namespace bpnet {

struct Backend {
  const char* name;     // "reference", "avx512", "cuda", "amx" …; "guarded" in a build for tests
  bool (*supported)();  // by this build and this machine
  const Memory& (*memory_of)(int device);
  const Kernels<float>* (*single)();
  const Kernels<double>* (*twofold)();
  int device = 0;    // index among several of a kind
  bool gpu = false;  // device is a GPU's number, and float32's products can be made with TF32
  const Recorder* recorder = nullptr;  // null: every step is run kernel by kernel
  bool bfloat16 = false;               // of the processor: products are in bfloat16, else in float32
  bool winograd = false;               // supports Context::winograd
  bool model = false;                  // emulates an instruction bit by bit, by plain loops
  const Preparation<float>* (*preparation)() = nullptr;  // null: it multiplies by weights as they are

  const Memory& memory() const { return memory_of(device); }

  std::string device_name() const { return gpu ? "cuda:" + std::to_string(device) : "cpu"; }

  template <class T>
  const Kernels<T>& kernels() const {
    if constexpr (sizeof(T) == sizeof(float)) {
      return *single();
    } else {
      return *twofold();
    }
  }
};

}  // namespace bpnet
