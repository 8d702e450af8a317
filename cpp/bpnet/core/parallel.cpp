#include "bpnet/core/parallel.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "bpnet/core/error.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef __linux__
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace bpnet {
namespace {

std::atomic<int> thread_count{0};  // 0: not asked yet
std::atomic<bool> forked{false};   // OpenMP's threads do not survive fork()

// Processors by cgroup quota (v2, then v1), or 0 when there is no quota.
int cgroup_limit() {
#ifdef __linux__
  double quota = 0, period = 0;
  std::string first;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2 >> first >> period) {
    quota = first == "max" ? 0 : std::atof(first.c_str());
  } else {
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  if (quota > 0 && period > 0) return std::max(1, static_cast<int>(std::ceil(quota / period)));
#endif
  return 0;
}

int affinity_limit() {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

int find_default() {
  if (!has_threads()) return 1;
#if defined(__unix__) || defined(__APPLE__)
  pthread_atfork(nullptr, nullptr, [] { forked = true; });
#endif
  if (const char* text = std::getenv("OMP_NUM_THREADS")) {
    if (const int asked = std::atoi(text); asked > 0) return asked;
  }
  int count = std::max(1, affinity_limit());
  if (const int quota = cgroup_limit()) count = std::min(count, quota);
  return count;
}

}  // namespace

int default_num_threads() {
  static const int count = find_default();
  return count;
}

int num_threads() {
  const int count = thread_count.load(std::memory_order_relaxed);
  return count > 0 ? count : default_num_threads();
}

void set_num_threads(int count) {
  if (count < 1) fail<ValueError>("set_num_threads: ", count, " threads asked, at least 1 needed");
  default_num_threads();  // registers the fork handler
  thread_count = count;
}

#ifdef _OPENMP

bool has_threads() { return true; }

void parallel_for(std::size_t count, void (*function)(std::size_t, void*), void* argument) {
  const int threads = static_cast<int>(std::min<std::size_t>(count, num_threads()));
  if (threads <= 1 || forked.load(std::memory_order_relaxed) || omp_in_parallel()) {
    for (std::size_t index = 0; index < count; ++index) function(index, argument);
    return;
  }
  const auto signed_count = static_cast<std::ptrdiff_t>(count);
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (std::ptrdiff_t index = 0; index < signed_count; ++index) {
    function(static_cast<std::size_t>(index), argument);
  }
}

#else

bool has_threads() { return false; }

void parallel_for(std::size_t count, void (*function)(std::size_t, void*), void* argument) {
  for (std::size_t index = 0; index < count; ++index) function(index, argument);
}

#endif

}  // namespace bpnet
