#include "bpnet/core/memory/arena.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "bpnet/core/threads/interrupt.h"

namespace bpnet {
namespace {

// The first access to a gigabyte takes seconds on some machines: between such pieces the caller may
// interrupt.
constexpr std::size_t kCleared = std::size_t{1} << 25;

std::atomic<std::uint64_t> allocations{0};

}  // namespace

std::uint64_t arena_allocations() { return allocations.load(); }

Arena::~Arena() {
  if (data_) memory_->release(data_, size_);
}

Arena::Arena(Arena&& other) noexcept
    : memory_(other.memory_),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

Arena& Arena::operator=(Arena&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

// The old memory is released before the new is first accessed: both need not fit at once.
void Arena::reserve(std::size_t bytes) {
  if (bytes <= size_) return;
  auto* const fresh = static_cast<unsigned char*>(memory_->allocate(bytes));
  allocations.fetch_add(1);
  if (data_) memory_->release(data_, size_);
  data_ = fresh;
  size_ = bytes;
  Interruptible* const work = Interruptible::current();
  for (std::size_t done = 0; done < bytes; done += kCleared) {
    if (work && work->asks_to_stop()) return;  // the caller's check() follows
    memory_->clear(data_ + done, std::min(kCleared, bytes - done));
  }
}

}  // namespace bpnet
