// Every kernel table there can be. Each per-ISA object defines the two getters of its table.
#pragma once

#include "bpnet/core/memory/memory.h"
#include "bpnet/kernels/kernels.h"

namespace bpnet {

const Kernels<float>* reference_kernels_float();
const Kernels<double>* reference_kernels_double();
const Kernels<float>* baseline_kernels_float();
const Kernels<double>* baseline_kernels_double();
const Kernels<float>* avx2_kernels_float();
const Kernels<double>* avx2_kernels_double();
const Kernels<float>* avx512_kernels_float();
const Kernels<double>* avx512_kernels_double();

// Float32 with its products in bfloat16, by instructions of the processor or by their models. Defined in
// kernels/cpu/bfloat16; where the compiler does not support the instructions kernels/no_bfloat16.cpp returns
// null.
bool has_bfloat16_instructions();  // in this build
const Kernels<float>* amx_kernels();
const Kernels<float>* avx512_bf16_kernels();
const Kernels<float>* amx_model_kernels();
const Kernels<float>* avx512_bf16_model_kernels();

// float32's table, which these are derived from. Defined in kernels/dispatch.cpp.
const Kernels<float>& best_float32_kernels();

// For tests: the reference kernels on memory that is inaccessible outside a kernel or a copy. Defined in
// kernels/guarded with BPNET_GUARDED, else in kernels/no_guarded.cpp.
bool has_guarded();
const Memory& guarded_memory();
const Kernels<float>* guarded_kernels_float();
const Kernels<double>* guarded_kernels_double();

}  // namespace bpnet
