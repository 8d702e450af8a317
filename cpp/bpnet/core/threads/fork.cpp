#include "bpnet/core/threads/fork.h"

#include <atomic>
#include <cstdio>
#include <cstring>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace bpnet {
namespace {

// Whether this process was forked and is still the program that its parent was: PF_FORKNOEXEC in the ninth
// field of its status. There is no other way to know what the parent started before bpnet was loaded.
bool was_forked() {
#ifdef __linux__
  constexpr unsigned long kForkedWithoutExec = 0x40;
  std::FILE* const file = std::fopen("/proc/self/stat", "r");
  if (!file) return false;
  char text[512] = {};
  const std::size_t read = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  const char* const after_name = read > 0 ? std::strrchr(text, ')') : nullptr;
  unsigned long flags = 0;
  if (!after_name || std::sscanf(after_name, ") %*c %*d %*d %*d %*d %*d %lu", &flags) != 1) return false;
  return (flags & kForkedWithoutExec) != 0;
#else
  return false;
#endif
}

std::atomic<std::uint64_t> forks{was_forked() ? 1u : 0u};

#if defined(__unix__) || defined(__APPLE__)
// When the library is loaded, since the process may fork before its first use.
[[maybe_unused]] const int registered = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1); });
#endif

}  // namespace

std::uint64_t fork_count() { return forks.load(std::memory_order_relaxed); }

}  // namespace bpnet
