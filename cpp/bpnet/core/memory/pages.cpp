#include "bpnet/core/memory/pages.h"

#include <new>

#include "bpnet/core/memory/arena.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace bpnet {
namespace {

// Traversing a matrix across its storage order accesses a page per row: large arenas request huge pages.
constexpr std::size_t kHugePage = std::size_t{1} << 21;

std::align_val_t alignment(std::size_t bytes) {
  return std::align_val_t{bytes < 2 * kHugePage ? kAlignment : kHugePage};
}

}  // namespace

void* take_pages(std::size_t bytes) {
  void* memory = ::operator new(bytes, alignment(bytes));
#ifdef __linux__
  if (bytes >= 2 * kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);  // optional: a failure does no harm
#endif
  return memory;
}

void give_pages(void* memory, std::size_t bytes) noexcept { ::operator delete(memory, alignment(bytes)); }

}  // namespace bpnet
