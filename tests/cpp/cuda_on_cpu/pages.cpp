#include "pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>

#include "death.h"
#include "garbage.h"
#include "sanitizer.h"

namespace cuda_on_cpu {
namespace {

constexpr std::size_t kAlignment = 256, kGuard = std::size_t{1} << 20, kKept = 1024;

std::size_t aligned(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

std::size_t whole_pages(std::size_t bytes) {
  static const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

void protect(void* pages, std::size_t bytes, int protection) {
  if (mprotect(pages, bytes, protection) != 0) die("mprotect: %s", std::strerror(errno));
}

Pages take_pages(std::size_t bytes) {
  Pages pages;
  const std::size_t body = whole_pages(aligned(bytes));
  void* const whole =
      mmap(nullptr, body + 2 * kGuard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (whole == MAP_FAILED) return pages;
  pages.first = static_cast<unsigned char*>(whole) + kGuard;
  pages.open_bytes = body;
  pages.bytes = bytes;
  pages.begin = pages.first + body - aligned(bytes);
  protect(pages.first, body, PROT_READ | PROT_WRITE);
  fill_garbage(pages.begin, bytes);
  unsigned char* const end = pages.begin + bytes;
  const auto after = static_cast<std::size_t>(pages.first + body - end);
  const auto before = static_cast<std::size_t>(pages.begin - pages.first);
  fill_canary(end, after);
  fill_canary(pages.first, before);
  forbid(end, after);
  forbid(pages.first, before);
  return pages;
}

void give_pages(const Pages& pages) {
  static std::deque<Pages>& kept = *new std::deque<Pages>;
  permit(pages.first, pages.open_bytes);
  // A new mapping over the old one frees its memory.
  if (mmap(pages.first, pages.open_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
           -1, 0) == MAP_FAILED) {
    die("mmap: %s", std::strerror(errno));
  }
  kept.push_back(pages);
  if (kept.size() <= kKept) return;
  munmap(kept.front().first - kGuard, kept.front().open_bytes + 2 * kGuard);
  kept.pop_front();
}

void check_canary(const Pages& pages, const char* what) {
  unsigned char* const end = pages.begin + pages.bytes;
  const auto after = static_cast<std::size_t>(pages.first + pages.open_bytes - end);
  const auto before = static_cast<std::size_t>(pages.begin - pages.first);
  permit(pages.first, pages.open_bytes);
  const std::size_t beyond = first_changed(end, after), below = first_changed(pages.first, before);
  if (beyond != after) die("%s of %zu bytes was written %zu bytes beyond its end", what, pages.bytes, beyond);
  if (below != before)
    die("%s of %zu bytes was written %zu bytes before its begin", what, pages.bytes, before - below);
  forbid(end, after);
  forbid(pages.first, before);
}

}  // namespace cuda_on_cpu
