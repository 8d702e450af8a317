// A backend's memory, allocated once and then sliced by offset.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bpnet/core/memory/memory.h"

namespace bpnet {

constexpr std::size_t kAlignment = 64;  // a cache line, and the widest vector

constexpr std::size_t align_up(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

class Arena {
 public:
  explicit Arena(const Memory& memory = host_memory()) : memory_(&memory) {}
  ~Arena();
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&& other) noexcept;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Reserves at least `bytes`. New memory is zero; growing discards the old contents. An exception leaves the
  // arena unchanged; interrupted, it has the new size and unspecified contents.
  void reserve(std::size_t bytes);
  std::size_t size() const { return size_; }
  const Memory& memory() const { return *memory_; }
  unsigned char* data() { return data_; }

  template <class T>
  T* at(std::size_t offset) {
    return reinterpret_cast<T*>(data_ + offset);
  }
  template <class T>
  const T* at(std::size_t offset) const {
    return reinterpret_cast<const T*>(data_ + offset);
  }

 private:
  const Memory* memory_;
  unsigned char* data_ = nullptr;
  std::size_t size_ = 0;
};

// How often any arena has allocated memory in this process: lets a test check that a training step allocates
// none.
std::uint64_t arena_allocations();

}  // namespace bpnet
