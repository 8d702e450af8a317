// As much of CUDA's runtime as bpnet's kernels use, on the processor. A launch runs its blocks one after another, and
// the threads of a block in an order of chance, each until the next place where it waits for others.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ __thread
#define __launch_bounds__(...)
#define __restrict__ __restrict

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

namespace cuda_on_cpu {

void run(const dim3& grid, const dim3& block, std::size_t shared, const std::function<void()>& body);
void wait_for_block();
void wait_for_warp();
std::uint64_t exchange(std::uint64_t value, int lane);  // what that lane of the warp gives

}  // namespace cuda_on_cpu

struct uint3 {
  unsigned x, y, z;
};
// Of the thread that runs.
extern __thread uint3 threadIdx, blockIdx, blockDim, gridDim;

namespace bpnet::cuda {
extern __thread unsigned char bpnet_shared[];  // declared in a function there
}

inline void __syncthreads() { cuda_on_cpu::wait_for_block(); }
inline void __syncwarp(unsigned = 0xffffffff) { cuda_on_cpu::wait_for_warp(); }

template <class T>
T __shfl_sync(unsigned, T value, int lane, int = 32) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = cuda_on_cpu::exchange(bits, lane);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int distance, int = 32) {
  return __shfl_sync(mask, value, static_cast<int>(threadIdx.x % 32) ^ distance);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int = 32) {
  const unsigned lane = threadIdx.x % 32;
  return __shfl_sync(mask, value, static_cast<int>(lane + distance < 32 ? lane + distance : lane));
}

// The distribution of a normal number.
inline float normcdf(float x) { return static_cast<float>(0.5 * std::erfc(-0.70710678118654752440 * double{x})); }
inline double normcdf(double x) {
  using Wide = long double;
  return static_cast<double>(Wide{0.5} * std::erfc(-0.707106781186547524400844362104849039L * Wide{x}));
}

enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorMemoryAllocation = 2, cudaErrorNoDevice = 100 };
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount = 16 };
enum cudaStreamCaptureStatus { cudaStreamCaptureStatusNone = 0 };
using cudaStream_t = struct CUstream_st*;
constexpr unsigned cudaStreamNonBlocking = 1;

const char* cudaGetErrorString(cudaError_t);
const char* cudaGetErrorName(cudaError_t);
cudaError_t cudaGetLastError();
cudaError_t cudaGetDeviceCount(int*);
cudaError_t cudaSetDevice(int);
cudaError_t cudaDeviceGetAttribute(int*, cudaDeviceAttr, int);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t*, unsigned);
cudaError_t cudaStreamSynchronize(cudaStream_t);
cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus*);
cudaError_t cudaMalloc(void**, std::size_t);
cudaError_t cudaFree(void*);
cudaError_t cudaMemGetInfo(std::size_t*, std::size_t*);
cudaError_t cudaMemcpyAsync(void*, const void*, std::size_t, cudaMemcpyKind, cudaStream_t);
cudaError_t cudaMemsetAsync(void*, int, std::size_t, cudaStream_t);

struct cudaLaunchAttribute {};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  cudaLaunchAttribute* attrs = nullptr;
  unsigned numAttrs = 0;
};

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...), Arguments&&... arguments) {
  cuda_on_cpu::run(config->gridDim, config->blockDim, config->dynamicSmemBytes, [=] { kernel(arguments...); });
  return cudaSuccess;
}

using std::max;
using std::min;
