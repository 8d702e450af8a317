// The vector of this instruction set, by the compiler's vector extension: one source for all. `real` is float
// or double; table.cpp sets both.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace {

using real = BPNET_REAL;
typedef real vec __attribute__((vector_size(BPNET_VECTOR_BYTES)));
// The same without alignment beyond the element's.
typedef real loose_vec __attribute__((vector_size(BPNET_VECTOR_BYTES), aligned(sizeof(real)), may_alias));

// Integers as wide as `real`, for bits and lane numbers.
template <class T>
struct IntegerOf {
  using Type = int32_t;
};
template <>
struct IntegerOf<double> {
  using Type = int64_t;
};
using integer = IntegerOf<real>::Type;
typedef integer ivec __attribute__((vector_size(BPNET_VECTOR_BYTES)));

constexpr size_t kLanes = BPNET_VECTOR_BYTES / sizeof(real);

inline vec load(const real* p) { return *reinterpret_cast<const loose_vec*>(p); }
inline void store(real* p, vec v) { *reinterpret_cast<loose_vec*>(p) = v; }

// The first kCount lanes; lanes that are not loaded are 0.
template <size_t kCount>
inline vec load_first(const real* p) {
  vec v = {};
  __builtin_memcpy(&v, p, kCount * sizeof(real));
  return v;
}
template <size_t kCount>
inline void store_first(real* p, vec v) {
  __builtin_memcpy(p, &v, kCount * sizeof(real));
}

// The same for a count that is not a constant; all lanes where it is kLanes or more.
inline vec load_lanes(const real* p, size_t count) {
  if (count >= kLanes) return load(p);
  real lane[kLanes] = {};
  for (size_t i = 0; i < count; ++i) lane[i] = p[i];
  return load(lane);
}
inline void store_lanes(real* p, vec v, size_t count) {
  if (count >= kLanes) {
    store(p, v);
    return;
  }
  real lane[kLanes];
  store(lane, v);
  for (size_t i = 0; i < count; ++i) p[i] = lane[i];
}

// v's first `count` lanes, 0 in the others; and the reverse.
inline vec first_lanes(vec v, size_t count) {
  if (count >= kLanes) return v;
  real lane[kLanes];
  store(lane, v);
  return load_lanes(lane, count);
}
inline vec without_first_lanes(vec v, size_t count) {
  real lane[kLanes];
  store(lane, v);
  for (size_t i = 0; i < count; ++i) lane[i] = 0;
  return load(lane);
}

inline vec splat(real value) { return value - vec{}; }  // v − 0 is v, so the compiler drops it

// Lanes are added in pairs, half by half: the order is fixed by the width alone.
inline real sum_lanes(vec v) {
  real lane[kLanes];
  store(lane, v);
  for (size_t width = kLanes / 2; width > 0; width /= 2) {
    for (size_t i = 0; i < width; ++i) lane[i] += lane[i + width];
  }
  return lane[0];
}

}  // namespace
