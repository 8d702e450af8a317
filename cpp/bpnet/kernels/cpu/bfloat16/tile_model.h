// What VDPBF16PS and TDPBF16PS compute, bit by bit, on any processor (Intel, Architecture Instruction Set
// Extensions Programming Reference; found equal on Sapphire Rapids). Both consist of fused multiply-adds,
// rounded to the nearest, ties to even, whose denormal operands count as 0 and whose results below the normal
// numbers become 0.
#pragma once

#include "bpnet/kernels/cpu/base/scalar_math.h"
#include "bpnet/kernels/cpu/bfloat16/panels.h"

namespace {

constexpr float kLeastNormal = 0x1p-126f;

inline float without_denormal(float x) {
  return __builtin_fabsf(x) < kLeastNormal ? __builtin_copysignf(0, x) : x;
}

inline float float_of(bfloat16 x) {
  const uint32_t bits = uint32_t(x) << 16;
  float result;
  __builtin_memcpy(&result, &bits, sizeof result);
  return without_denormal(result);
}

// The sum rounded to odd: where it is not exact, the neighbour whose last bit is 1. Rounding that to half as
// many bits gives the same as rounding once (Boldo and Melquiond 2008).
inline double sum_to_odd(double a, double b) {
  const double sum = a + b;
  if (!(__builtin_fabs(sum) <= __DBL_MAX__)) return sum;
  const double b_part = sum - a;
  const double error = (a - (sum - b_part)) + (b - b_part);  // exact (Knuth)
  uint64_t bits;
  __builtin_memcpy(&bits, &sum, sizeof bits);
  if (error == 0 || (bits & 1)) return sum;
  bits += (error > 0) == (sum > 0) ? uint64_t(1) : ~uint64_t(0);
  double result;
  __builtin_memcpy(&result, &bits, sizeof result);
  return result;
}

// a b + c of numbers that are not denormals; in double the product is exact, of bfloat16 and of 1 · c.
inline float multiply_add(float a, float b, float c) {
  const double sum = sum_to_odd(double(a) * double(b), double(c));
  const float result = float(sum);
  if (!(__builtin_fabs(sum) < double(kLeastNormal))) return result;
  // A result counts as below the normal numbers, and becomes 0, if it still is after rounding to their
  // precision.
  const float scaled = float(sum * 0x1p64);
  return __builtin_copysignf(__builtin_fabsf(scaled) < kLeastNormal * 0x1p64f ? 0 : kLeastNormal, scaled);
}

// c + a · b over one block; `a` begins with a line's 16 pairs, `b` is 16 pairs 16 lines apart.
inline float dot_block(const bfloat16* a, const bfloat16* b, float c) {
  float sum = without_denormal(c);
  for (size_t pair = 0; pair < kBlockDepth / 2; ++pair, a += 2, b += kBlockDepth) {
    sum = multiply_add(float_of(a[1]), float_of(b[1]), sum);
    sum = multiply_add(float_of(a[0]), float_of(b[0]), sum);
  }
  return sum;
}

inline float amx_block(const bfloat16* a, const bfloat16* b, float c) {
  float even = 0, odd = 0;
  for (size_t pair = 0; pair < kBlockDepth / 2; ++pair, a += 2, b += kBlockDepth) {
    even = multiply_add(float_of(a[0]), float_of(b[0]), even);
    odd = multiply_add(float_of(a[1]), float_of(b[1]), odd);
  }
  return multiply_add(1, multiply_add(1, even, odd), without_denormal(c));
}

using BlockModel = float (*)(const bfloat16*, const bfloat16*, float);

template <BlockModel kModel, size_t kA, size_t kB>
void model_sums(const TileSums& s) {
  for (size_t i = 0; i < kA * kPanelLines; ++i) {
    for (size_t j = 0; j < kB * kPanelLines; ++j) {
      const bfloat16* b = s.b + j / kPanelLines * s.b_panel + j % kPanelLines * 2;
      float sum = s.add ? s.c[i * s.stride + j] : 0;
      for (size_t block = 0; block < s.blocks; ++block, b += kBlockElements) {
        const BlockOfA of_a = block_of_a(s, block);
        sum = kModel(of_a.a + i * of_a.line, b, sum);
      }
      s.c[i * s.stride + j] = sum;
    }
  }
}

template <BlockModel kModel>
constexpr TileUnit kModelOf = {nothing_to_do,
                               nothing_to_do,
                               {{model_sums<kModel, 1, 1>, model_sums<kModel, 1, 2>},
                                {model_sums<kModel, 2, 1>, model_sums<kModel, 2, 2>}}};

constexpr TileUnit kAmx = kModelOf<amx_block>;
constexpr TileUnit kDot = kModelOf<dot_block>;

}  // namespace
