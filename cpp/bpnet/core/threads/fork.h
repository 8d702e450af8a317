// Whether this process is a forked child: of the parent's threads it has only the one that forked.
#pragma once

#include <cstdint>

namespace bpnet {

// How often this process and its ancestors were forked since bpnet was loaded.
std::uint64_t fork_count();

}  // namespace bpnet
