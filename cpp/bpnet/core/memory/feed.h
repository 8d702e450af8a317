// The way of much data to a device.
#pragma once

#include "bpnet/core/memory/memory.h"

namespace bpnet {

// The memory's own, or one that copies at once.
std::unique_ptr<Feed> make_feed(const Memory& memory, std::size_t bytes);

// The host's bytes, in pieces; between two pieces the caller may stop, whose check() follows.
void feed_to(const Memory& memory, Feed& feed, std::size_t piece, void* to, const void* host,
             std::size_t bytes);

}  // namespace bpnet
