// The functions of CUDA's mathematics library that C++ does not have.
#pragma once

#include <algorithm>
#include <cmath>

#include "cuda_on_cpu/bits.h"

using std::max;
using std::min;

template <class T>
T __ldg(const T* at) {
  return *at;
}
inline int __popc(unsigned value) { return __builtin_popcount(value); }
inline int __ffs(int value) { return __builtin_ffs(value); }
inline int __clz(int value) { return value == 0 ? 32 : __builtin_clz(static_cast<unsigned>(value)); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(static_cast<std::uint64_t>(a) * b >> 32);
}
inline int __float_as_int(float value) { return cuda_on_cpu::from_bits<int>(cuda_on_cpu::to_bits(value)); }
inline unsigned __float_as_uint(float value) {
  return cuda_on_cpu::from_bits<unsigned>(cuda_on_cpu::to_bits(value));
}
inline float __int_as_float(int value) { return cuda_on_cpu::from_bits<float>(cuda_on_cpu::to_bits(value)); }
inline float __uint_as_float(unsigned value) {
  return cuda_on_cpu::from_bits<float>(cuda_on_cpu::to_bits(value));
}
inline long long __double_as_longlong(double value) {
  return cuda_on_cpu::from_bits<long long>(cuda_on_cpu::to_bits(value));
}
inline double __longlong_as_double(long long value) {
  return cuda_on_cpu::from_bits<double>(cuda_on_cpu::to_bits(value));
}
inline float rsqrtf(float value) { return 1.0f / std::sqrt(value); }
inline double rsqrt(double value) { return 1.0 / std::sqrt(value); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frcp_rn(float value) { return 1.0f / value; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
// The host's mathematics library declares functions with these names.
#define __expf expf
#define __logf logf
#define __powf powf

// The distribution of a normal number.
inline float normcdf(float x) {
  return static_cast<float>(0.5 * std::erfc(-0.70710678118654752440 * double{x}));
}
inline double normcdf(double x) {
  using Wide = long double;
  return static_cast<double>(Wide{0.5} * std::erfc(-0.707106781186547524400844362104849039L * Wide{x}));
}
