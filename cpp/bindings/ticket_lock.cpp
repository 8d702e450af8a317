#include "ticket_lock.h"

#include <Python.h>

#include <stdexcept>

#include "bpnet/core/threads/fork.h"

namespace bpnet::bindings {

TicketLock::TicketLock() : process_(2 * fork_count()) {}

// The first caller after a fork checks whether the lock was held then.
bool TicketLock::lost() {
  const std::uint64_t now = fork_count();
  std::uint64_t seen = process_.load();
  while (seen / 2 != now) {
    const bool held = serving_.load() != next_.load();
    const std::uint64_t found = 2 * now + (held || seen % 2 != 0);
    if (process_.compare_exchange_weak(seen, found)) seen = found;
  }
  return seen % 2 != 0;
}

void TicketLock::lock() {
  if (lost()) {
    throw std::runtime_error(
        "network: this process was forked while another thread was using the network, which is half changed "
        "here; fork when no thread uses it, or make or load it anew in the child");
  }
  const unsigned long me = PyThread_get_thread_ident();
  if (holder_.load() == me) {
    throw std::runtime_error(
        "network: it was used from within one of its own steps, by a reducer, a custom loss or a finaliser; use what the "
        "call was given, or the arrays of state_dict() and gradients() that were taken before");
  }
  const std::uint32_t mine = next_.fetch_add(1);
  for (std::uint32_t now; (now = serving_.load()) != mine;) serving_.wait(now);
  holder_.store(me);
}

void TicketLock::unlock() noexcept {
  holder_.store(0);
  serving_.fetch_add(1);
  serving_.notify_all();
}

}  // namespace bpnet::bindings
