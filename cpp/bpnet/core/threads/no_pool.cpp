// Built without threads (-DBPNET_THREADS=OFF).
#include "bpnet/core/threads/layer.h"

namespace bpnet {

const ThreadingLayer* pool_layer() { return nullptr; }

}  // namespace bpnet
