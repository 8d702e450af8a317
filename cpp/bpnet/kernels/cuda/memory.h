// A GPU's memory.
#pragma once

#include "bpnet/core/memory/memory.h"

namespace bpnet::cuda {

const Memory& memory_of(int device);

}  // namespace bpnet::cuda
