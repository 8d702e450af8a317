// What a network runs on: a memory for its arrays, and the arithmetic on them in both types.
#pragma once

#include "bpnet/core/memory/memory.h"
#include "bpnet/kernels/kernels.h"
#include "bpnet/kernels/recorder.h"

namespace bpnet {

struct Backend {
  const char* name;     // "reference", "baseline", "avx2", "avx512", "cuda"; "guarded" in a build for tests
  bool (*supported)();  // by this build and this machine
  const Memory& (*memory_of)(int device);
  const Kernels<float>* (*single)();
  const Kernels<double>* (*twofold)();
  int device = 0;                      // which of several of a kind
  const Recorder* recorder = nullptr;  // null: every step is run kernel by kernel

  const Memory& memory() const { return memory_of(device); }

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
