// The GPUs, all alike.
#pragma once

#include <cuda_runtime.h>

namespace cuda_on_cpu {

constexpr int kMostDevices = 8;

int device_count();                   // BPNET_CUDA_ON_CPU_DEVICES, else 2
int current_device();                 // of the calling thread
cudaError_t& failure_of(int device);  // the error that the GPU did not recover from

}  // namespace cuda_on_cpu
