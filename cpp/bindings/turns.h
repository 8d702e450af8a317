// A lock whose waiters take turns in the order in which they came, and which a forked child can tell from one
// that its own threads hold. A thread cannot have it twice.
#pragma once

#include <atomic>
#include <cstdint>

namespace bpnet::bindings {

class Turns {
 public:
  Turns();

  // Throws a std::runtime_error in a child that was forked while another thread had its turn: that thread is
  // not here to end it, and what it was changing is half changed. So it does where the turn is this thread's
  // own, which would wait for itself: what Python calls from within a step may not use the network.
  void lock();
  void unlock() noexcept;

 private:
  bool lost();

  std::atomic<std::uint32_t> next_{0};     // the number that the next who comes gets
  std::atomic<std::uint32_t> serving_{0};  // the number whose turn it is
  std::atomic<unsigned long> holder_{0};   // the thread whose turn it is, as Python names it; 0: none
  std::atomic<std::uint64_t> process_;  // 2 · forks on the way to this process + whether it was lost in one
};

}  // namespace bpnet::bindings
