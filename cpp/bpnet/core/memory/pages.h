// Allocation of arenas: core/memory/pages.cpp uses the free store; core/memory/pages_guarded.cpp, built
// instead of it with BPNET_GUARD_PAGES, puts pages that fault when accessed before and after every arena.
#pragma once

#include <cstddef>

namespace bpnet {

void* take_pages(std::size_t bytes);  // aligned to kAlignment at least; throws std::bad_alloc
void give_pages(void* memory, std::size_t bytes) noexcept;

}  // namespace bpnet
