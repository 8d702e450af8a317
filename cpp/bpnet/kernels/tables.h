// Every kernel table there can be. Each per-ISA object defines the two getters of its own table.
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

// For tests: the reference kernels on memory that nobody may touch outside a kernel or a copy. Defined in
// kernels/guarded with BPNET_GUARDED, else in kernels/no_guarded.cpp.
bool has_guarded();
const Memory& guarded_memory();
const Kernels<float>* guarded_kernels_float();
const Kernels<double>* guarded_kernels_double();

}  // namespace bpnet
