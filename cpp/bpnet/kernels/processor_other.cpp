// Processors that are not x86-64 have the baseline table only (NEON on arm64).
#include "bpnet/kernels/processor.h"
#include "bpnet/kernels/tables.h"

namespace bpnet {

bool processor_has_avx2() { return false; }
bool processor_has_avx512() { return false; }
bool processor_has_avx512_bf16() { return false; }
bool processor_has_amx() { return false; }

const Kernels<float>* avx2_kernels_float() { return nullptr; }
const Kernels<double>* avx2_kernels_double() { return nullptr; }
const Kernels<float>* avx512_kernels_float() { return nullptr; }
const Kernels<double>* avx512_kernels_double() { return nullptr; }

}  // namespace bpnet
