#include "bpnet/core/threads/parallel.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "bpnet/core/error.h"
#include "bpnet/core/threads/interrupt.h"
#include "bpnet/core/threads/pool.h"

#ifdef __linux__
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace bpnet {
namespace {

std::atomic<int> thread_count{0};  // 0: not set

// Never destroyed: its threads sleep until the process ends. After fork() the child has none of them,
// so it gets a pool of its own.
std::atomic<ThreadPool*> the_pool{nullptr};

ThreadPool& pool() {
  static const bool made = [] {
    the_pool = new ThreadPool;
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork(nullptr, nullptr, [] { the_pool = new ThreadPool; });
#endif
    return true;
  }();
  static_cast<void>(made);
  return *the_pool.load(std::memory_order_acquire);
}

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
  for (const char* name : {"BPNET_NUM_THREADS", "OMP_NUM_THREADS"}) {
    const char* text = std::getenv(name);
    if (const int asked = text ? std::atoi(text) : 0; asked > 0) return asked;
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
  thread_count = count;
}

bool has_threads() { return true; }

void start_threads() {
  if (num_threads() > 1) pool().start(num_threads());
}

void parallel_for(std::size_t count, void (*function)(std::size_t, void*), void* argument) {
  const Interruptible* const work = Interruptible::current();
  if (work && work->stopped()) return;
  const int threads = num_threads();
  if (threads < 2 || count < 2) {
    run_in_turn(count, function, argument);
  } else {
    pool().run(count, function, argument, threads);
  }
}

}  // namespace bpnet
