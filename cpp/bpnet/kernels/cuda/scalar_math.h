// Functions of the C library by the type of their argument: float's are computed in float.
#pragma once

#include <cmath>

namespace bpnet::cuda {

__device__ inline float square_root(float x) { return sqrtf(x); }
__device__ inline double square_root(double x) { return sqrt(x); }

__device__ inline float power(float x, float exponent) { return powf(x, exponent); }
__device__ inline double power(double x, double exponent) { return pow(x, exponent); }

}  // namespace bpnet::cuda
