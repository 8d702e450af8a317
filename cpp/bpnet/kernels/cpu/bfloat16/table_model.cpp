// The same by the instructions' models, for any processor.
#include "bpnet/kernels/cpu/bfloat16/round_model.h"
#include "bpnet/kernels/cpu/bfloat16/table.h"
#include "bpnet/kernels/cpu/bfloat16/tile_model.h"
#include "bpnet/kernels/tables.h"

namespace bpnet {

Kernels<float> amx_model_kernels(const Kernels<float>& float32) { return Products<kAmx>::table(float32); }
Kernels<float> avx512_bf16_model_kernels(const Kernels<float>& float32) {
  return Products<kDot>::table(float32);
}

}  // namespace bpnet
