// Built without OpenMP: -DBPNET_OPENMP=OFF, or the compiler has none.
#include "bpnet/core/threads/layer.h"

namespace bpnet {

const ThreadingLayer* openmp_layer() { return nullptr; }
int openmp_num_threads() { return 0; }

}  // namespace bpnet
