// The copies that threads have started and not waited for.
#pragma once

namespace cuda_on_cpu {

void finish_copies(unsigned thread);  // of the block, which is ending

}  // namespace cuda_on_cpu
