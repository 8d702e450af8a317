// Where the compiler does not know the instructions for bfloat16, or the processor is not an x86-64.
#include "bpnet/kernels/tables.h"

namespace bpnet {

bool has_bfloat16_instructions() { return false; }
Kernels<float> amx_kernels(const Kernels<float>& float32) { return amx_model_kernels(float32); }
Kernels<float> avx512_bf16_kernels(const Kernels<float>& float32) {
  return avx512_bf16_model_kernels(float32);
}

}  // namespace bpnet
