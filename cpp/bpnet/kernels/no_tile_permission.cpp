#include "bpnet/kernels/tile_permission.h"

namespace bpnet {

bool tiles_permitted() { return false; }

}  // namespace bpnet
