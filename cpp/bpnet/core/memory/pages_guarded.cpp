// For tests, on POSIX systems. A read or write beyond an arena ends the process, also far beyond it: a
// kernel's scratch may be too small by more than the width of AddressSanitizer's red zones.
#include <sys/mman.h>
#include <unistd.h>

#include <new>

#include "bpnet/core/memory/arena.h"
#include "bpnet/core/memory/pages.h"

namespace bpnet {
namespace {

constexpr std::size_t kGuard = std::size_t{1} << 26;  // bytes of address space; they take no memory

std::size_t whole_pages(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

}  // namespace

// [guard][…, arena][guard]: the arena's last cache line ends where the second guard begins.
void* take_pages(std::size_t bytes) {
  const std::size_t body = whole_pages(align_up(bytes));
  void* const whole = mmap(nullptr, body + 2 * kGuard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (whole == MAP_FAILED) throw std::bad_alloc();
  unsigned char* const first = static_cast<unsigned char*>(whole) + kGuard;
  if (mprotect(first, body, PROT_READ | PROT_WRITE) != 0) {
    munmap(whole, body + 2 * kGuard);
    throw std::bad_alloc();
  }
  return first + (body - align_up(bytes));
}

void give_pages(void* memory, std::size_t bytes) noexcept {
  if (!memory) return;
  const std::size_t body = whole_pages(align_up(bytes));
  unsigned char* const first = static_cast<unsigned char*>(memory) - (body - align_up(bytes));
  munmap(first - kGuard, body + 2 * kGuard);
}

}  // namespace bpnet
