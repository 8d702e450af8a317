// The chunks of one job, distributed over its threads.
//
// Each thread has a share of the chunks, the same range in every job with as many threads, and only then
// helps the others with theirs: weights that it has read or written stay in its cache until the next job that
// needs them. Where there are more threads than shares, some begin with the same one.
#pragma once

#include <atomic>
#include <cstddef>

namespace bpnet {

class Shares {
 public:
  void deal(std::size_t count, std::size_t threads);  // while no thread takes
  // Calls function(index, argument) for chunks that are not taken, from the thread's share on through all
  // shares, until none is left; returns how many. This thread's Interruptible is checked between them, and
  // when it stops, the remaining chunks are skipped by all threads.
  std::size_t take(std::size_t thread, void (*function)(std::size_t index, void* argument), void* argument);

 private:
  // A range of the chunks, on a separate cache line.
  struct alignas(64) Share {
    std::atomic<std::size_t> next{0};
    std::size_t end = 0;
  };
  static constexpr std::size_t kMost = 64;

  Share share_[kMost];
  std::size_t count_ = 0;  // of the shares
};

}  // namespace bpnet
