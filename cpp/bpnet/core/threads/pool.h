// A pool whose caller works too and waits only for threads that have taken a chunk: on a busy machine,
// where the others do not get to run, it is as fast as one thread. (A fork-join runtime waits for every
// thread at its barrier.)
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>

#include "bpnet/core/threads/shares.h"

namespace bpnet {

class ThreadPool {
 public:
  using Function = void (*)(std::size_t index, void* argument);

  void start(int threads);  // creates the workers that run() would create
  // As parallel_for, with at most `threads` threads, the caller being one.
  void run(std::size_t count, Function function, void* argument, int threads);

 private:
  void add_workers(int count);
  void work(std::size_t seat);
  void wait_for_job(std::uint32_t seen);
  bool join(std::uint32_t& seen);
  void take_chunks(std::size_t seat);

  std::mutex caller_;  // held by the only caller that uses the workers
  // Guarded by caller_. A number of workers that the system refused is not tried again.
  int workers_ = 0, most_workers_ = std::numeric_limits<int>::max();

  // The job's number, how many workers are within it and how many more may join, in one word: to join or to
  // close it takes one exchange and no lock, on which a thread might be put to sleep.
  alignas(64) std::atomic<std::uint64_t> job_{0};
  std::atomic<int> sleepers_{0};
  Shares shares_;
  alignas(64) Function function_ = nullptr;  // these and the shares are written while no worker is within
  void* argument_ = nullptr;

  std::mutex mutex_;  // of the sleeping workers
  std::condition_variable wake_;
};

}  // namespace bpnet
