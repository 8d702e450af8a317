// Products in bfloat16 by the instructions, for processors that have them.
#include "bpnet/kernels/cpu/bfloat16/round_avx512.h"
#include "bpnet/kernels/cpu/bfloat16/table.h"
#include "bpnet/kernels/cpu/bfloat16/tile_amx.h"
#include "bpnet/kernels/cpu/bfloat16/tile_dot.h"

namespace bpnet {

bool has_bfloat16_instructions() { return true; }

const Kernels<float>* amx_kernels() {
  static const Kernels<float> table = Products<kAmx>::table();
  return &table;
}

const Kernels<float>* avx512_bf16_kernels() {
  static const Kernels<float> table = Products<kDot>::table();
  return &table;
}

const Preparation<float>* amx_preparation() { return &Products<kAmx>::kPreparation; }
const Preparation<float>* avx512_bf16_preparation() { return &Products<kDot>::kPreparation; }

}  // namespace bpnet
