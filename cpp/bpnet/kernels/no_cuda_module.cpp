#include "bpnet/core/error.h"
#include "bpnet/kernels/cuda_module.h"

namespace bpnet {

const Backend& cuda_backend(int) {
  fail<DeviceError>("device: 'cuda' is not available on this system; bpnet's CUDA library is for Linux");
}

int cuda_gpus() { return 0; }

const char* listed_cuda_backend() { return nullptr; }

}  // namespace bpnet
