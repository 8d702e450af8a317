// The C library's functions by builtin: <cmath>'s inline overloads would be shared with other object files.
#pragma once

#include "bpnet/kernels/cpu/base/vector.h"

namespace {

inline float exp_of(float x) { return __builtin_expf(x); }
inline double exp_of(double x) { return __builtin_exp(x); }
inline float log_of(float x) { return __builtin_logf(x); }
inline double log_of(double x) { return __builtin_log(x); }
inline float log1p_of(float x) { return __builtin_log1pf(x); }
inline double log1p_of(double x) { return __builtin_log1p(x); }
inline float sqrt_of(float x) { return __builtin_sqrtf(x); }
inline double sqrt_of(double x) { return __builtin_sqrt(x); }
inline float power_of(float x, float y) { return __builtin_powf(x, y); }
inline double power_of(double x, double y) { return __builtin_pow(x, y); }
inline float abs_of(float x) { return __builtin_fabsf(x); }
inline double abs_of(double x) { return __builtin_fabs(x); }
inline bool is_finite(real x) {
  return abs_of(x) <= (sizeof(real) == 4 ? real(__FLT_MAX__) : real(__DBL_MAX__));
}

inline real sigmoid(real s) {
  const real e = exp_of(-abs_of(s));  // ≤ 1, cannot overflow
  return (s >= 0 ? real(1) : e) / (real(1) + e);
}

}  // namespace
