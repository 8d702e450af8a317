// The same by the instructions' models, for any processor.
#include "bpnet/kernels/cpu/bfloat16/round_model.h"
#include "bpnet/kernels/cpu/bfloat16/table.h"
#include "bpnet/kernels/cpu/bfloat16/tile_model.h"

namespace bpnet {

const Kernels<float>* amx_model_kernels() {
  static const Kernels<float> table = Products<kAmx>::table();
  return &table;
}

const Kernels<float>* avx512_bf16_model_kernels() {
  static const Kernels<float> table = Products<kDot>::table();
  return &table;
}

const Preparation<float>* amx_model_preparation() { return &Products<kAmx>::kPreparation; }
const Preparation<float>* avx512_bf16_model_preparation() { return &Products<kDot>::kPreparation; }

}  // namespace bpnet
