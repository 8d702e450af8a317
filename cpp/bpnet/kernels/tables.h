// Every kernel table there can be. Each per-ISA object defines the two getters of its own table.
#pragma once

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

}  // namespace bpnet
