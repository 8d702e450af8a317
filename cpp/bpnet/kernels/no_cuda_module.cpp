#include "bpnet/core/error.h"
#include "bpnet/kernels/cuda_module.h"

namespace bpnet {

const Backend& cuda_backend(int) {
  fail<DeviceError>("device: 'cuda' is not there on this system; bpnet's CUDA library is for Linux");
}

int cuda_gpus() { return 0; }

bool has_cuda_on_cpu() { return false; }

}  // namespace bpnet
