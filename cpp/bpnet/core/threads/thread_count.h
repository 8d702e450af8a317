// How many threads the environment allows.
#pragma once

namespace bpnet {

int asked_num_threads();    // BPNET_NUM_THREADS, read once; 0 where it gives none
int allowed_num_threads();  // OMP_NUM_THREADS, or else what affinity and cgroup allow, found once

}  // namespace bpnet
