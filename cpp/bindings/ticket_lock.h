// A fair lock: waiters get it in the order of their calls. A forked child can distinguish a lock of its
// parent from one held by its threads. It is not recursive.
#pragma once

#include <atomic>
#include <cstdint>

namespace bpnet::bindings {

class TicketLock {
 public:
  TicketLock();

  // Throws a std::runtime_error in a child that was forked while another thread held the lock: that thread
  // does not exist here, and its changes are incomplete. Also throws where this thread holds it, which would
  // be a deadlock: functions that are called within a step may not use the network.
  void lock();
  void unlock() noexcept;

 private:
  bool lost();

  std::atomic<std::uint32_t> next_{0};     // the next waiter's number
  std::atomic<std::uint32_t> serving_{0};  // the number of the holder
  std::atomic<unsigned long> holder_{0};   // the holder's thread id in Python; 0: none
  std::atomic<std::uint64_t> process_;     // 2 · forks up to this process + whether the lock was lost in one
};

}  // namespace bpnet::bindings
