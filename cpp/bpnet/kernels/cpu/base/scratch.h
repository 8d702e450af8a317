// An operation's scratch memory, sliced.
#pragma once

#include "bpnet/kernels/cpu/base/sizes.h"
#include "bpnet/kernels/kernels.h"

namespace {

// Each slice begins on a cache line. Without memory only the bytes are counted, so one function defines both
// where an operation's arrays are and how much scratch they need.
struct Scratch {
  unsigned char* memory;  // 64-byte aligned, or null
  size_t bytes = 0;       // of all slices

  template <class T>
  T* take(size_t count) {
    T* const slice = memory ? reinterpret_cast<T*>(memory + bytes) : nullptr;
    bytes += round_up(count * sizeof(T), 64);
    return slice;
  }
};

// Slice `index` of many of the same size, a multiple of 64.
inline Scratch part_of(Scratch scratch, size_t index, size_t bytes) {
  return {scratch.memory + scratch.bytes + index * bytes};
}

}  // namespace
