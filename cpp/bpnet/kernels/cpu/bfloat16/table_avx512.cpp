// Products in bfloat16 by the instructions, for processors that have them.
#include "bpnet/kernels/cpu/bfloat16/round_avx512.h"
#include "bpnet/kernels/cpu/bfloat16/table.h"
#include "bpnet/kernels/cpu/bfloat16/tile_amx.h"
#include "bpnet/kernels/cpu/bfloat16/tile_dot.h"
#include "bpnet/kernels/tables.h"

namespace bpnet {

bool has_bfloat16_instructions() { return true; }
Kernels<float> amx_kernels(const Kernels<float>& float32) { return Products<kAmx>::table(float32); }
Kernels<float> avx512_bf16_kernels(const Kernels<float>& float32) { return Products<kDot>::table(float32); }

}  // namespace bpnet
