// The copies that threads begun and have not waited for.
#pragma once

namespace cuda_on_cpu {

void finish_copies(unsigned thread);  // of the block, which ends

}  // namespace cuda_on_cpu
