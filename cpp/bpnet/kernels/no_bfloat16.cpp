// Where the compiler does not support the instructions for bfloat16, or the processor is not an x86-64.
#include "bpnet/kernels/preparation.h"
#include "bpnet/kernels/tables.h"

namespace bpnet {

bool has_bfloat16_instructions() { return false; }
const Kernels<float>* amx_kernels() { return nullptr; }
const Kernels<float>* avx512_bf16_kernels() { return nullptr; }
const Preparation<float>* amx_preparation() { return nullptr; }
const Preparation<float>* avx512_bf16_preparation() { return nullptr; }

}  // namespace bpnet
