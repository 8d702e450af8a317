#include "bpnet/core/threads/pool.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <new>
#include <thread>

#include "bpnet/core/threads/interrupt.h"
#include "bpnet/core/threads/layer.h"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace bpnet {
namespace {

// An idle worker spins this long for the next job before it sleeps, at first without a pause and then
// yielding the processor to others: the parallel parts of a training step follow each other within
// microseconds, and waking costs tens of them.
constexpr std::chrono::microseconds kSpin{20}, kYield{200};

thread_local bool inside = false;  // this thread is working on a chunk

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// ThreadPool::job_: number << 32 | workers within << 16 | seats
constexpr std::uint64_t kOneSeat = 1, kOneWithin = 1 << 16;
constexpr std::uint64_t kMaxSeats = kOneWithin - 1;

std::uint32_t number_of(std::uint64_t job) { return static_cast<std::uint32_t>(job >> 32); }
std::uint64_t seats_of(std::uint64_t job) { return job & kMaxSeats; }
bool has_workers(std::uint64_t job) { return (job & 0xFFFFFFFF) >= kOneWithin; }

template <class Condition>
bool spin_until(const Condition& condition) {
  const auto begin = std::chrono::steady_clock::now();
  while (true) {
    for (int i = 0; i < 16; ++i) {
      if (condition()) return true;
      pause();
    }
    const auto waited = std::chrono::steady_clock::now() - begin;
    if (waited > kYield) return false;
    if (waited > kSpin) std::this_thread::yield();
  }
}

}  // namespace

void ThreadPool::start(int threads) {
  std::unique_lock<std::mutex> caller(caller_, std::try_to_lock);
  if (caller) add_workers(threads - 1);
}

void ThreadPool::run(std::size_t count, Function function, void* argument, int threads) {
  std::unique_lock<std::mutex> caller(caller_, std::defer_lock);
  if (threads < 2 || count < 2 || inside || !caller.try_lock()) {
    run_serially(count, function, argument);
    return;
  }
  add_workers(threads - 1);
  function_ = function;
  argument_ = argument;
  const std::uint64_t seats =
      std::min<std::uint64_t>({static_cast<std::uint64_t>(threads) - 1, count - 1, kMaxSeats});
  shares_.deal(count, static_cast<std::size_t>(seats) + 1);
  const std::uint64_t number = number_of(job_.load(std::memory_order_relaxed)) + std::uint64_t{1};
  job_.store(number << 32 | seats);  // before sleepers_ is read; sleepers read in reverse order
  if (sleepers_.load() > 0) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
    }
    wake_.notify_all();
  }
  take_chunks(0);
  job_.fetch_and(~kMaxSeats, std::memory_order_relaxed);  // nobody can join after this
  const auto done = [&] { return !has_workers(job_.load(std::memory_order_acquire)); };
  while (!spin_until(done)) {
  }
}

void ThreadPool::add_workers(int count) {
  for (; workers_ < std::min(count, most_workers_); ++workers_) {
    try {
      std::thread(&ThreadPool::work, this, static_cast<std::size_t>(workers_) + 1).detach();
    } catch (const std::exception&) {
      most_workers_ = workers_;  // no more threads or no memory for them: the existing ones do the work
      return;
    }
  }
}

void ThreadPool::take_chunks(std::size_t seat) {
  inside = true;
  shares_.take(seat, function_, argument_);
  inside = false;
}

void ThreadPool::wait_for_job(std::uint32_t seen) {
  const auto arrived = [&] { return number_of(job_.load()) != seen; };
  if (spin_until(arrived)) return;
  std::unique_lock<std::mutex> lock(mutex_);
  sleepers_.fetch_add(1);
  wake_.wait(lock, arrived);
  sleepers_.fetch_sub(1);
}

// Whether there was a seat in the job; `seen` becomes its number.
bool ThreadPool::join(std::uint32_t& seen) {
  std::uint64_t job = job_.load(std::memory_order_relaxed);
  while (seats_of(job) > 0) {
    seen = number_of(job);
    if (job_.compare_exchange_weak(job, job - kOneSeat + kOneWithin, std::memory_order_acquire)) return true;
  }
  seen = number_of(job);
  return false;
}

void ThreadPool::work(std::size_t seat) {
  std::uint32_t seen = 0;
  while (true) {
    wait_for_job(seen);
    if (!join(seen)) continue;
    take_chunks(seat);
    job_.fetch_sub(kOneWithin, std::memory_order_release);
  }
}

namespace {

// Never destroyed: its threads sleep until the process ends. After fork() the child has none of them, so it
// gets a new pool.
std::atomic<ThreadPool*> the_pool{nullptr};

// Null where there is no memory for it.
ThreadPool* pool() {
#if defined(__unix__) || defined(__APPLE__)
  static const int registered = pthread_atfork(nullptr, nullptr, [] { the_pool = nullptr; });
  static_cast<void>(registered);
#endif
  ThreadPool* found = the_pool.load(std::memory_order_acquire);
  if (found) return found;
  std::unique_ptr<ThreadPool> made(new (std::nothrow) ThreadPool);
  if (!the_pool.compare_exchange_strong(found, made.get())) return found;  // another thread's was first
  return made.release();
}

void start_pool(int threads) {
  if (ThreadPool* const workers = pool()) workers->start(threads);
}

void run_in_pool(std::size_t count, ThreadingLayer::Function function, void* argument, int threads, Waits*) {
  if (ThreadPool* const workers = pool()) {
    workers->run(count, function, argument, threads);
  } else {
    run_serially(count, function, argument);
  }
}

}  // namespace

const ThreadingLayer* pool_layer() {
  static constexpr ThreadingLayer layer{.kind = Threading::pool, .start = &start_pool, .run = &run_in_pool};
  return &layer;
}

}  // namespace bpnet
