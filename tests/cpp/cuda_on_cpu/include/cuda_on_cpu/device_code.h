// The functions of device code. Those that wait have the line of the call as a default argument.
#pragma once

#include "cuda_on_cpu/bits.h"
#include "cuda_on_cpu/types.h"

namespace cuda_on_cpu {

struct Site {
  const char* file;
  int line;
};

// All threads of the block wait for each other; returns how many passed true.
unsigned wait_for_block(bool given, Site site);

// The lanes of `mask` wait for each other.
void wait_for_warp(unsigned mask, Site site);
std::uint64_t shuffle(unsigned mask, std::uint64_t value, unsigned from_lane, Site site);
std::uint64_t fold_lanes(unsigned mask, std::uint64_t value,
                         std::uint64_t (*fold)(std::uint64_t, std::uint64_t), Site site);
unsigned lane();

[[noreturn]] void trap();

// Calls to the race checker, where the kernels are compiled for it, for accesses that the compiler does not
// instrument.
void note_read(const void* from, std::size_t bytes);
void note_write(const void* to, std::size_t bytes);
void note_atomic(const void* at, std::size_t bytes);
void use_host_memory();  // for a launch that stands in for a library

template <class T, class Fold>
T fold_lanes_as(unsigned mask, T value, Fold, Site site) {
  return from_bits<T>(fold_lanes(
      mask, to_bits(value),
      [](std::uint64_t a, std::uint64_t b) { return to_bits<T>(Fold{}(from_bits<T>(a), from_bits<T>(b))); },
      site));
}

template <class T, class U, class Change>
__attribute__((no_sanitize("thread"))) T change(T* at, U value, Change f) {
  note_atomic(at, sizeof(T));
  const T before = *at;
  *at = f(before, static_cast<T>(value));
  return before;
}

}  // namespace cuda_on_cpu

// Of the running thread.
extern __attribute__((visibility("hidden"))) uint3 threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;

#define CUDA_ON_CPU_SITE const char *file = __builtin_FILE(), int site_line = __builtin_LINE()

inline void __syncthreads(CUDA_ON_CPU_SITE) { cuda_on_cpu::wait_for_block(false, {file, site_line}); }
inline int __syncthreads_count(int given, CUDA_ON_CPU_SITE) {
  return static_cast<int>(cuda_on_cpu::wait_for_block(given != 0, {file, site_line}));
}
inline int __syncthreads_or(int given, CUDA_ON_CPU_SITE) {
  return cuda_on_cpu::wait_for_block(given != 0, {file, site_line}) > 0;
}
inline int __syncthreads_and(int given, CUDA_ON_CPU_SITE) {
  return cuda_on_cpu::wait_for_block(given == 0, {file, site_line}) == 0;
}
inline void __syncwarp(unsigned mask = 0xffffffff, CUDA_ON_CPU_SITE) {
  cuda_on_cpu::wait_for_warp(mask, {file, site_line});
}

template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32, CUDA_ON_CPU_SITE) {
  const unsigned segment = cuda_on_cpu::lane() & ~unsigned(width - 1);
  return cuda_on_cpu::from_bits<T>(cuda_on_cpu::shuffle(mask, cuda_on_cpu::to_bits(value),
                                                        segment | (unsigned(from) & unsigned(width - 1)),
                                                        {file, site_line}));
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int distance, int width = 32, CUDA_ON_CPU_SITE) {
  const unsigned lane = cuda_on_cpu::lane(), end = (lane & ~unsigned(width - 1)) + unsigned(width);
  const unsigned from = lane ^ unsigned(distance);
  return cuda_on_cpu::from_bits<T>(
      cuda_on_cpu::shuffle(mask, cuda_on_cpu::to_bits(value), from < end ? from : lane, {file, site_line}));
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32, CUDA_ON_CPU_SITE) {
  const unsigned lane = cuda_on_cpu::lane(), end = (lane & ~unsigned(width - 1)) + unsigned(width);
  return cuda_on_cpu::from_bits<T>(cuda_on_cpu::shuffle(
      mask, cuda_on_cpu::to_bits(value), lane + distance < end ? lane + distance : lane, {file, site_line}));
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = 32, CUDA_ON_CPU_SITE) {
  const unsigned lane = cuda_on_cpu::lane(), first = lane & ~unsigned(width - 1);
  return cuda_on_cpu::from_bits<T>(cuda_on_cpu::shuffle(mask, cuda_on_cpu::to_bits(value),
                                                        lane >= first + distance ? lane - distance : lane,
                                                        {file, site_line}));
}

inline unsigned __ballot_sync(unsigned mask, int given, CUDA_ON_CPU_SITE) {
  struct Or {
    unsigned operator()(unsigned a, unsigned b) const { return a | b; }
  };
  return cuda_on_cpu::fold_lanes_as(mask, given ? 1u << cuda_on_cpu::lane() : 0u, Or{}, {file, site_line});
}
inline int __any_sync(unsigned mask, int given, CUDA_ON_CPU_SITE) {
  return __ballot_sync(mask, given, file, site_line) != 0;
}
inline int __all_sync(unsigned mask, int given, CUDA_ON_CPU_SITE) {
  return __ballot_sync(mask, !given, file, site_line) == 0;
}

#define CUDA_ON_CPU_FOLD(name, expression)                                     \
  template <class T>                                                           \
  T name(unsigned mask, T value, CUDA_ON_CPU_SITE) {                           \
    struct Fold {                                                              \
      T operator()(T a, T b) const { return static_cast<T>(expression); }      \
    };                                                                         \
    return cuda_on_cpu::fold_lanes_as(mask, value, Fold{}, {file, site_line}); \
  }
CUDA_ON_CPU_FOLD(__reduce_add_sync, a + b)
CUDA_ON_CPU_FOLD(__reduce_min_sync, a < b ? a : b)
CUDA_ON_CPU_FOLD(__reduce_max_sync, a < b ? b : a)
CUDA_ON_CPU_FOLD(__reduce_and_sync, a& b)
CUDA_ON_CPU_FOLD(__reduce_or_sync, a | b)
CUDA_ON_CPU_FOLD(__reduce_xor_sync, a ^ b)
#undef CUDA_ON_CPU_FOLD
#undef CUDA_ON_CPU_SITE

// Atomics of integers: one thread runs at a time. Those of floating-point numbers are left out on purpose:
// the order of their sums is not defined.
#define CUDA_ON_CPU_ATOMIC(name, expression)                                                    \
  template <class T, class U>                                                                   \
  T name(T* at, U value) {                                                                      \
    static_assert(std::is_integral_v<T>, "atomics are of integers");                            \
    return cuda_on_cpu::change(at, value, [](T a, T b) { return static_cast<T>(expression); }); \
  }
CUDA_ON_CPU_ATOMIC(atomicAdd, a + b)
CUDA_ON_CPU_ATOMIC(atomicSub, a - b)
CUDA_ON_CPU_ATOMIC(atomicMin, a < b ? a : b)
CUDA_ON_CPU_ATOMIC(atomicMax, a < b ? b : a)
CUDA_ON_CPU_ATOMIC(atomicAnd, a& b)
CUDA_ON_CPU_ATOMIC(atomicOr, a | b)
CUDA_ON_CPU_ATOMIC(atomicXor, a ^ b)
CUDA_ON_CPU_ATOMIC(atomicExch, (static_cast<void>(a), b))
CUDA_ON_CPU_ATOMIC(atomicInc, a >= b ? 0 : a + 1)
#undef CUDA_ON_CPU_ATOMIC
template <class T, class U, class V>
__attribute__((no_sanitize("thread"))) T atomicCAS(T* at, U compared, V value) {
  cuda_on_cpu::note_atomic(at, sizeof(T));
  const T before = *at;
  if (before == static_cast<T>(compared)) *at = static_cast<T>(value);
  return before;
}
inline void __threadfence() {}
inline void __threadfence_block() {}
[[noreturn]] inline void __trap() { cuda_on_cpu::trap(); }
