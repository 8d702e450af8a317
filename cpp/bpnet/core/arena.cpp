#include "bpnet/core/arena.h"

#include <atomic>
#include <cstring>
#include <new>
#include <utility>

namespace bpnet {

static std::atomic<std::uint64_t> allocations{0};

std::uint64_t arena_allocations() { return allocations.load(); }

Arena::~Arena() { ::operator delete(data_, std::align_val_t{kAlignment}); }

Arena::Arena(Arena&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Arena& Arena::operator=(Arena&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void Arena::reserve(std::size_t bytes) {
  if (bytes <= size_) return;
  auto* fresh = static_cast<unsigned char*>(::operator new(bytes, std::align_val_t{kAlignment}));
  allocations.fetch_add(1);
  std::memset(fresh, 0, bytes);
  ::operator delete(data_, std::align_val_t{kAlignment});
  data_ = fresh;
  size_ = bytes;
}

}  // namespace bpnet
