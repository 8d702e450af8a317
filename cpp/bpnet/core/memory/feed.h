// Transfer of large data to a device.
#pragma once

#include "bpnet/core/memory/memory.h"

namespace bpnet {

// The memory's feed, or one that copies immediately.
std::unique_ptr<Feed> make_feed(const Memory& memory, std::size_t bytes);

// Sends the host's bytes in pieces; between two pieces the caller may interrupt, then its check() follows.
void feed_to(const Memory& memory, Feed& feed, std::size_t piece, void* to, const void* host,
             std::size_t bytes);

}  // namespace bpnet
