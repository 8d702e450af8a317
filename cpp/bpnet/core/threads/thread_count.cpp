#include "bpnet/core/threads/thread_count.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#ifdef __linux__
#include <sched.h>
#endif

namespace bpnet {
namespace {

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

int positive_in(const char* variable) {
  const char* text = std::getenv(variable);
  return text ? std::max(0, std::atoi(text)) : 0;
}

int find_allowed() {
  if (const int asked = positive_in("OMP_NUM_THREADS")) return asked;
  int count = std::max(1, affinity_limit());
  if (const int quota = cgroup_limit()) count = std::min(count, quota);
  return count;
}

}  // namespace

int asked_num_threads() {
  static const int count = positive_in("BPNET_NUM_THREADS");
  return count;
}

int allowed_num_threads() {
  static const int count = find_allowed();
  return count;
}

}  // namespace bpnet
