// The team of OpenMP. No other file has its pragmas or its header.
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <limits>
#include <thread>
#include <vector>

#include "bpnet/core/threads/interrupt.h"
#include "bpnet/core/threads/layer.h"
#include "bpnet/core/threads/shares.h"
#include "bpnet/core/threads/thread_count.h"
#include "bpnet/core/threads/waits.h"

namespace bpnet {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic_flag in_use;  // held by the only caller that uses a team
Shares shares;            // its job's

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

// Whether this many threads can be created at once: otherwise the runtime would end the process.
bool can_make(int count) {
  std::vector<std::thread> made;
  std::atomic<bool> all_tried{false};
  bool all = true;
  try {
    made.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) made.emplace_back([&] { all_tried.wait(false); });
  } catch (const std::exception&) {
    all = false;
  }
  all_tried = true;
  all_tried.notify_all();
  for (std::thread& thread : made) thread.join();
  return all;
}

// Whether this thread has, or can get, a team of this many threads. A team belongs to the calling thread. A
// refused number is not tried again, since each attempt creates all the threads.
bool has_team(int threads) {
  thread_local int had = 1, refused = std::numeric_limits<int>::max();
  if (threads > had && threads < refused) (can_make(threads - 1) ? had : refused) = threads;
  return threads <= had;
}

// The team has all its threads also where there are fewer chunks: libgomp ends those that a smaller one does
// not need, and creates them again for the next.
void run_region(std::size_t count, ThreadingLayer::Function function, void* argument, int threads,
                Waits* waits) {
  shares.deal(count, std::min(count, static_cast<std::size_t>(threads)));
  Region region{};
  const Clock::time_point begin = Clock::now();
  Clock::time_point begin_of_work = begin, end_of_work = begin;
#pragma omp parallel num_threads(threads)
  {
    const int thread = omp_get_thread_num();
    if (thread == 0) begin_of_work = Clock::now();
    const std::size_t taken = shares.take(static_cast<std::size_t>(thread), function, argument);
    if (thread == 0) {
      region.chunks = taken;
      end_of_work = Clock::now();
    }
  }
  if (!waits) return;
  region.work = seconds(end_of_work - begin_of_work);
  region.wait = seconds((begin_of_work - begin) + (Clock::now() - end_of_work));
  waits->add(region);
}

void run(std::size_t count, ThreadingLayer::Function function, void* argument, int threads, Waits* waits) {
  if (omp_in_parallel() || in_use.test_and_set(std::memory_order_acquire)) {
    run_serially(count, function, argument);
    return;
  }
  if (has_team(threads)) {
    run_region(count, function, argument, threads, waits);
  } else {
    pool_layer()->run(count, function, argument, threads, nullptr);
  }
  in_use.clear(std::memory_order_release);
}

// Once for each team: its threads spin for a while, whether there is work or not.
void start(int threads) {
  thread_local int started = 1;
  if (threads <= started) return;
  started = threads;
  run(static_cast<std::size_t>(threads), [](std::size_t, void*) {}, nullptr, threads, nullptr);
}

const int at_load = omp_get_max_threads();

}  // namespace

const ThreadingLayer* openmp_layer() {
  static constexpr ThreadingLayer layer{.kind = Threading::openmp, .start = &start, .run = &run};
  return &layer;
}

// The runtime ignores a cgroup's quota: unless set, the number is limited by the quota.
int openmp_num_threads() {
  const int count = omp_get_max_threads();
  return count == at_load ? std::min(count, allowed_num_threads()) : count;
}

}  // namespace bpnet
