#include <cstring>

#include "bpnet/core/memory/memory.h"
#include "bpnet/core/memory/pages.h"

namespace bpnet {
namespace {

void clear(void* to, std::size_t bytes) { std::memset(to, 0, bytes); }
void copy(void* to, const void* from, std::size_t bytes) { std::memmove(to, from, bytes); }

constexpr Memory kHostMemory = {true, 1, take_pages, give_pages, clear, copy, copy, copy};

}  // namespace

const Memory& host_memory() { return kHostMemory; }

}  // namespace bpnet
