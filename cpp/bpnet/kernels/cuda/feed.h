#pragma once

#include <memory>

#include "bpnet/core/memory/memory.h"

namespace bpnet::cuda {

// Copies on a separate stream, concurrent with the GPU's computation.
std::unique_ptr<Feed> make_feed(int device, std::size_t bytes);

}  // namespace bpnet::cuda
