#include "bpnet/core/threads/fork.h"

#include <atomic>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace bpnet {

static std::atomic<std::uint64_t> forks{0};

std::uint64_t fork_count() {
#if defined(__unix__) || defined(__APPLE__)
  static const int registered = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1); });
  static_cast<void>(registered);
#endif
  return forks.load();
}

}  // namespace bpnet
