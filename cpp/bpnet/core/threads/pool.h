// A pool whose caller works too and waits only for threads that have taken a chunk: on a busy machine,
// where the others do not get to run, it is as fast as one thread. (A fork-join runtime waits for every
// thread at its barrier.)
//
// Each thread has a share of the chunks, the same stretch of them in every job of as many threads, and only
// then helps the others with theirs: weights that it has read or written stay in its own cache until the next
// job that needs them. Where there are more workers than shares, some begin with the same one.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace bpnet {

class ThreadPool {
 public:
  using Function = void (*)(std::size_t index, void* argument);

  void start(int threads);  // makes the workers that run() would make
  // As parallel_for, with at most `threads` threads, the caller being one.
  void run(std::size_t count, Function function, void* argument, int threads);

 private:
  // A stretch of the chunks, on a cache line of its own.
  struct alignas(64) Share {
    std::atomic<std::size_t> next{0};
    std::size_t end = 0;
  };
  static constexpr std::size_t kMostShares = 64;

  void add_workers(int count);
  void deal(std::size_t count, std::size_t shares);
  void work(std::size_t place);
  void wait_for_job(std::uint32_t seen);
  bool join(std::uint32_t& seen);
  void take_chunks(std::size_t place);

  std::mutex caller_;  // held by the one caller that uses the workers
  int workers_ = 0;    // guarded by caller_

  // The job's number, how many workers are within it and how many more may join, in one word: to join or to
  // close it takes one exchange and no lock, on which a thread might be put to sleep.
  alignas(64) std::atomic<std::uint64_t> job_{0};
  std::atomic<int> sleepers_{0};
  Share share_[kMostShares];
  alignas(64) Function function_ = nullptr;  // these and the shares are written while no worker is within
  void* argument_ = nullptr;
  std::size_t shares_ = 0;

  std::mutex mutex_;  // of those who sleep
  std::condition_variable wake_;
};

}  // namespace bpnet
