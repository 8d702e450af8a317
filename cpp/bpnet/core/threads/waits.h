// Whether an OpenMP team gets to run on this machine.
//
// A parallel region ends when every thread of the team has reached its closing barrier, also those that found
// no chunk left, and the next begins when every thread has left it. Where other processes use the processors,
// a thread arrives milliseconds late, and the caller waits much longer than the work takes.
#pragma once

#include <atomic>
#include <cstddef>

namespace bpnet {

// One parallel region as measured by its caller, times in seconds.
struct Region {
  double work;         // from its first chunk until it found none left
  double wait;         // before, for the region to begin, and after, for its end
  std::size_t chunks;  // that the caller worked on
};

class Waits {
 public:
  void add(Region region);  // of one caller at a time
  bool too_long() const { return too_long_.load(std::memory_order_relaxed); }
  void forget();  // by any thread

 private:
  double lost_ = 0;  // seconds of waiting beyond what a quiet machine explains
  int late_ = 0;     // regions with such a wait
  std::atomic<bool> too_long_{false}, forgotten_{false};
};

// For tests, which must not depend on a clock: `replace` changes the measurement of each region before it is
// added. Null: no change.
void replace_region_times(void (*replace)(Region& region)) noexcept;

}  // namespace bpnet
