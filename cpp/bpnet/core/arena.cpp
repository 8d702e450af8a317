#include "bpnet/core/arena.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <utility>

#include "bpnet/core/interrupt.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace bpnet {
namespace {

// A matrix walked against its grain touches a page a row: large arenas ask for huge pages.
constexpr std::size_t kHugePage = std::size_t{1} << 21;

// The first touch of a gigabyte takes seconds on some machines: between such pieces a caller is heard.
constexpr std::size_t kCleared = std::size_t{1} << 25;

std::align_val_t alignment(std::size_t bytes) {
  return std::align_val_t{bytes < 2 * kHugePage ? kAlignment : kHugePage};
}

unsigned char* allocate(std::size_t bytes) {
  void* memory = ::operator new(bytes, alignment(bytes));
#ifdef __linux__
  if (bytes >= 2 * kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);  // a wish: refused, nothing is lost
#endif
  return static_cast<unsigned char*>(memory);
}

}  // namespace

static std::atomic<std::uint64_t> allocations{0};

std::uint64_t arena_allocations() { return allocations.load(); }

Arena::~Arena() { ::operator delete(data_, alignment(size_)); }

Arena::Arena(Arena&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Arena& Arena::operator=(Arena&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void Arena::reserve(std::size_t bytes) {
  if (bytes <= size_) return;
  Arena fresh;
  fresh.data_ = allocate(bytes);
  fresh.size_ = bytes;
  allocations.fetch_add(1);
  Interruptible* const work = Interruptible::current();
  for (std::size_t done = 0; done < bytes; done += kCleared) {
    if (work) work->check();
    std::memset(fresh.data_ + done, 0, std::min(kCleared, bytes - done));
  }
  *this = std::move(fresh);
}

}  // namespace bpnet
