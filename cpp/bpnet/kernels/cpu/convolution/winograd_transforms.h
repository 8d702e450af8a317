// The transforms of Winograd's minimal filtering F(4×4, 3×3) (Lavin and Gray 2016) along one axis, with the
// points 0, ±1, ±2 and ∞: y = Aᵀ [(G g) ⊙ (Bᵀ d)] are 4 outputs of 3 taps g over 6 inputs d. The gradient of
// the taps is Gᵀ [(Bᵀ d) ⊙ (A ∂y)], by the same three matrices.
#pragma once

#include "bpnet/kernels/cpu/base/vector.h"

namespace {

constexpr size_t kWinogradOutputs = 4, kWinogradTaps = 3;
constexpr size_t kWinogradInputs = kWinogradOutputs + kWinogradTaps - 1;
constexpr size_t kWinogradWindow = kWinogradTaps * kWinogradTaps;
constexpr size_t kWinogradPoints = kWinogradInputs * kWinogradInputs;  // multiplications of a tile

// Bᵀ d
struct TransformInputs {
  static constexpr size_t kFrom = kWinogradInputs, kTo = kWinogradInputs;
  static void apply(const vec (&d)[kFrom], vec (&v)[kTo]) {
    const vec even = d[4] - 4 * d[2], odd = d[3] - 4 * d[1];
    const vec even2 = d[4] - d[2], odd2 = 2 * (d[3] - d[1]);
    v[0] = 4 * d[0] - 5 * d[2] + d[4];
    v[1] = even + odd;
    v[2] = even - odd;
    v[3] = even2 + odd2;
    v[4] = even2 - odd2;
    v[5] = 4 * d[1] - 5 * d[3] + d[5];
  }
};

// Aᵀ m
struct TransformProducts {
  static constexpr size_t kFrom = kWinogradInputs, kTo = kWinogradOutputs;
  static void apply(const vec (&m)[kFrom], vec (&y)[kTo]) {
    const vec even = m[1] + m[2], odd = m[1] - m[2], even2 = m[3] + m[4], odd2 = m[3] - m[4];
    y[0] = m[0] + even + even2;
    y[1] = odd + 2 * odd2;
    y[2] = even + 4 * even2;
    y[3] = odd + 8 * odd2 + m[5];
  }
};

// A ∂y
struct TransformGradients {
  static constexpr size_t kFrom = kWinogradOutputs, kTo = kWinogradInputs;
  static void apply(const vec (&y)[kFrom], vec (&z)[kTo]) {
    const vec even = y[0] + y[2], odd = y[1] + y[3], even2 = y[0] + 4 * y[2], odd2 = 2 * y[1] + 8 * y[3];
    z[0] = y[0];
    z[1] = even + odd;
    z[2] = even - odd;
    z[3] = even2 + odd2;
    z[4] = even2 - odd2;
    z[5] = y[3];
  }
};

// G g
struct TransformTaps {
  static constexpr size_t kFrom = kWinogradTaps, kTo = kWinogradInputs;
  static void apply(const vec (&g)[kFrom], vec (&u)[kTo]) {
    const vec even = (g[0] + g[2]) * real(-1.0 / 6), odd = g[1] * real(1.0 / 6);
    const vec even2 = g[0] * real(1.0 / 24) + g[2] * real(1.0 / 6), odd2 = g[1] * real(1.0 / 12);
    u[0] = g[0] * real(0.25);
    u[1] = even - odd;
    u[2] = even + odd;
    u[3] = even2 + odd2;
    u[4] = even2 - odd2;
    u[5] = g[2];
  }
};

// Gᵀ u
struct TransformTapGradients {
  static constexpr size_t kFrom = kWinogradInputs, kTo = kWinogradTaps;
  static void apply(const vec (&u)[kFrom], vec (&g)[kTo]) {
    const vec even = (u[1] + u[2]) * real(1.0 / 6), even2 = u[3] + u[4];
    g[0] = u[0] * real(0.25) - even + even2 * real(1.0 / 24);
    g[1] = (u[2] - u[1]) * real(1.0 / 6) + (u[3] - u[4]) * real(1.0 / 12);
    g[2] = even2 * real(1.0 / 6) - even + u[5];
  }
};

// Along both axes: get(i, j) of kFrom × kFrom elements, put(i, j, v) of kTo × kTo.
template <class Transform, class Get, class Put>
inline void transform_tile(const Get& get, const Put& put) {
  constexpr size_t kFrom = Transform::kFrom, kTo = Transform::kTo;
  vec half[kTo][kFrom];
#pragma GCC unroll 1
  for (size_t j = 0; j < kFrom; ++j) {
    vec from[kFrom], to[kTo];
    for (size_t i = 0; i < kFrom; ++i) from[i] = get(i, j);
    Transform::apply(from, to);
    for (size_t i = 0; i < kTo; ++i) half[i][j] = to[i];
  }
#pragma GCC unroll 1
  for (size_t i = 0; i < kTo; ++i) {
    vec to[kTo];
    Transform::apply(half[i], to);
    for (size_t j = 0; j < kTo; ++j) put(i, j, to[j]);
  }
}

}  // namespace
