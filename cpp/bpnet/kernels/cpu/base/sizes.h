// Arithmetic on counts.
#pragma once

#include "bpnet/kernels/cpu/base/vector.h"

namespace {

constexpr size_t kCacheLine = 64;  // bytes

inline size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
inline size_t larger(size_t a, size_t b) { return a > b ? a : b; }
inline size_t ceil_divide(size_t a, size_t b) { return (a + b - 1) / b; }
inline size_t round_up(size_t count, size_t multiple) { return ceil_divide(count, multiple) * multiple; }
inline size_t whole_vectors(size_t count) { return round_up(count, kLanes); }  // elements

}  // namespace
