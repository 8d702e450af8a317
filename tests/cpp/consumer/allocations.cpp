#include "allocations.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>

#ifdef _WIN32
#include <malloc.h>  // _aligned_malloc
#endif

static std::atomic<long> taken{0}, refused{-1};
static std::atomic<bool> came{false};

long allocations() { return taken.load(); }

bool refuse_allocation(long after) {
  came = false;
  refused = after < 0 ? -1 : taken.load() + after;
#if defined(__GLIBC__) && !defined(SANITIZED)
  return true;
#else
  return false;
#endif
}

bool was_refused() { return came.load(); }

#ifndef SANITIZED
#ifdef __GLIBC__

// glibc also exports its functions under these names, so a program may replace them. operator new calls
// malloc.
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* memory, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);

static bool counted_one_is_refused() {
  if (taken++ != refused) return false;
  came = true;
  errno = ENOMEM;
  return true;
}

void* malloc(std::size_t bytes) noexcept { return counted_one_is_refused() ? nullptr : __libc_malloc(bytes); }
void* calloc(std::size_t count, std::size_t bytes) noexcept {
  return counted_one_is_refused() ? nullptr : __libc_calloc(count, bytes);
}
void* realloc(void* memory, std::size_t bytes) noexcept {
  return counted_one_is_refused() ? nullptr : __libc_realloc(memory, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  return counted_one_is_refused() ? nullptr : __libc_memalign(alignment, bytes);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) noexcept {
  *memory = counted_one_is_refused() ? nullptr : __libc_memalign(alignment, bytes);
  return *memory ? 0 : ENOMEM;
}
}

#else

// The array and nothrow forms call these two. Not inlined: GCC would see malloc answered by delete, or new
// by free, and warn.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++taken;
  if (void* memory = std::malloc(bytes ? bytes : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
  ++taken;
  const std::size_t align = static_cast<std::size_t>(alignment);
#ifdef _WIN32
  void* memory = _aligned_malloc(bytes ? bytes : 1, align);
#else
  void* memory = std::aligned_alloc(align, (bytes + align) / align * align);
#endif
  if (memory) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
#ifdef _WIN32
  _aligned_free(memory);
#else
  std::free(memory);
#endif
}
void operator delete(void* memory, std::size_t, std::align_val_t alignment) noexcept {
  operator delete(memory, alignment);
}

#endif
#endif
