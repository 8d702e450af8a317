// Where arenas get their memory: core/memory/pages.cpp takes it from the free store;
// core/memory/pages_guarded.cpp, built in its place with BPNET_GUARD_PAGES, puts pages that nobody may touch
// behind every arena and before it.
#pragma once

#include <cstddef>

namespace bpnet {

void* take_pages(std::size_t bytes);  // aligned to kAlignment at least; throws std::bad_alloc
void give_pages(void* memory, std::size_t bytes) noexcept;

}  // namespace bpnet
