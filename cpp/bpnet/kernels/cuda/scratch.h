// An operation's scratch memory, sliced.
#pragma once

#include "bpnet/kernels/kernels.h"

namespace bpnet::cuda {

// Each slice begins at a multiple of 256 bytes from the first. Without memory only the bytes are counted, so
// one function defines both where an operation's arrays are and how much scratch they need.
struct Scratch {
  unsigned char* memory;  // or null
  size_t bytes = 0;       // of all slices

  template <class T>
  T* take(size_t count) {
    T* const slice = memory ? reinterpret_cast<T*>(memory + bytes) : nullptr;
    bytes += (count * sizeof(T) + 255) / 256 * 256;
    return slice;
  }
};

}  // namespace bpnet::cuda
