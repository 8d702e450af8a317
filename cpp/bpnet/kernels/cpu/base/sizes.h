// Arithmetic on counts and bytes.
#pragma once

#include "bpnet/kernels/cpu/base/vector.h"

namespace {

inline size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
inline size_t larger(size_t a, size_t b) { return a > b ? a : b; }
inline size_t ceil_divide(size_t a, size_t b) { return (a + b - 1) / b; }

}  // namespace
