// Where arenas get their memory: core/memory/pages.cpp takes it from the free store;
// core/memory/pages_guarded.cpp, built instead of it with BPNET_GUARD_PAGES, puts pages that fault when
// touched behind every arena and before it.
#pragma once

#include <cstddef>

namespace bpnet {

void* take_pages(std::size_t bytes);  // aligned to kAlignment at least; throws std::bad_alloc
void give_pages(void* memory, std::size_t bytes) noexcept;

}  // namespace bpnet
