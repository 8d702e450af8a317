// What the processor and its operating system can run.
#pragma once

namespace bpnet {

bool processor_has_avx2();    // with FMA
bool processor_has_avx512();  // F, BW, VL and DQ

}  // namespace bpnet
