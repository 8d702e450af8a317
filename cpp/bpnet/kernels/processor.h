// What the processor and its operating system can run.
#pragma once

namespace bpnet {

bool processor_has_avx2();    // with FMA
bool processor_has_avx512();  // F, BW, VL and DQ
bool processor_has_avx512_bf16();
bool processor_has_amx();  // with bfloat16, and the system permits this process to use it

}  // namespace bpnet
