#include "bpnet/core/threads/fork.h"

#include <atomic>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace bpnet {
namespace {

std::atomic<std::uint64_t> forks{0};

#if defined(__unix__) || defined(__APPLE__)
// While the library is loaded, for the process may fork before it first uses it.
[[maybe_unused]] const int registered = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1); });
#endif

}  // namespace

std::uint64_t fork_count() { return forks.load(std::memory_order_relaxed); }

}  // namespace bpnet
