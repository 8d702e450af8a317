#include "bpnet/core/thread_pool.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>

#include "bpnet/core/interrupt.h"

namespace bpnet {
namespace {

// An idle worker looks for the next job this long before it sleeps: the parallel parts of a training
// step follow each other within microseconds, and waking costs tens of them.
constexpr std::chrono::microseconds kSpin{30};

thread_local bool inside = false;  // this thread is working on a chunk

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

template <class Condition>
bool spin_until(const Condition& condition) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 16; ++i) {
      if (condition()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace

void ThreadPool::start(int threads) {
  std::unique_lock<std::mutex> caller(caller_, std::try_to_lock);
  if (caller) add_workers(threads - 1);
}

void ThreadPool::run(std::size_t count, Function function, void* argument, int threads) {
  std::unique_lock<std::mutex> caller(caller_, std::defer_lock);
  if (threads < 2 || count < 2 || inside || !caller.try_lock()) {
    run_in_turn(count, function, argument);
    return;
  }
  add_workers(threads - 1);
  bool sleeping;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    function_ = function;
    argument_ = argument;
    count_ = count;
    next_.store(0, std::memory_order_relaxed);
    open_ = true;
    places_ = static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(threads) - 1, count - 1));
    generation_.fetch_add(1, std::memory_order_release);
    sleeping = sleepers_ > 0;
  }
  if (sleeping) wake_.notify_all();
  take_chunks();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    open_ = false;  // who comes now comes too late
  }
  const auto done = [&] { return active_.load(std::memory_order_acquire) == 0; };
  while (!spin_until(done)) std::this_thread::yield();
}

void ThreadPool::add_workers(int count) {
  for (; workers_ < count; ++workers_) {
    try {
      std::thread(&ThreadPool::work, this).detach();
    } catch (const std::system_error&) {
      return;  // the system gives no more threads: those there are do the work
    }
  }
}

void ThreadPool::take_chunks() {
  inside = true;
  Interruptible* const work = Interruptible::current();  // the caller's; a worker has none
  std::size_t index;
  while ((index = next_.fetch_add(1, std::memory_order_relaxed)) < count_) {
    if (work && work->asks_to_stop()) {
      next_.store(count_, std::memory_order_relaxed);  // for the workers too nothing is left
      break;
    }
    function_(index, argument_);
  }
  inside = false;
}

void ThreadPool::wait_for_job(std::uint64_t seen) {
  const auto arrived = [&] { return generation_.load(std::memory_order_acquire) != seen; };
  if (spin_until(arrived)) return;
  std::unique_lock<std::mutex> lock(mutex_);
  ++sleepers_;
  wake_.wait(lock, arrived);
  --sleepers_;
}

void ThreadPool::work() {
  std::uint64_t seen = 0;
  while (true) {
    wait_for_job(seen);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      seen = generation_.load(std::memory_order_relaxed);
      if (!open_ || places_ == 0) continue;
      --places_;
      active_.fetch_add(1, std::memory_order_relaxed);
    }
    take_chunks();
    active_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace bpnet
