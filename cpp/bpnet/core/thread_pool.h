// A pool whose caller works too and waits only for threads that have taken a chunk: on a busy machine,
// where the others do not get to run, it is as fast as one thread. (A fork-join runtime waits for every
// thread at its barrier.)
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

  // As parallel_for, with at most `threads` threads, the caller being one.
  void start(int threads);  // makes the workers that run() would make
  void run(std::size_t count, Function function, void* argument, int threads);

 private:
  void add_workers(int count);
  void work();
  void wait_for_job(std::uint64_t seen);
  void take_chunks();

  std::mutex caller_;  // held by the one caller that uses the workers
  int workers_ = 0;    // guarded by caller_

  std::mutex mutex_;  // guards what follows, where it is not atomic
  std::condition_variable wake_;
  std::atomic<std::uint64_t> generation_{0};  // counts jobs
  int sleepers_ = 0;
  bool open_ = false;  // workers may join the job
  int places_ = 0;     // how many more
  Function function_ = nullptr;
  void* argument_ = nullptr;
  std::size_t count_ = 0;
  std::atomic<std::size_t> next_{0};
  std::atomic<int> active_{0};  // workers within the job
};

}  // namespace bpnet
