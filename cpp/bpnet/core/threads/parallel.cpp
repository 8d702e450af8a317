// The choice of the threading layer at run time.
#include "bpnet/core/threads/parallel.h"

#include <atomic>
#include <cstdlib>
#include <string>

#include "bpnet/core/error.h"
#include "bpnet/core/threads/fork.h"
#include "bpnet/core/threads/interrupt.h"
#include "bpnet/core/threads/layer.h"
#include "bpnet/core/threads/thread_count.h"
#include "bpnet/core/threads/waits.h"

namespace bpnet {
namespace {

constexpr Threading kAll[] = {Threading::automatic, Threading::openmp, Threading::pool, Threading::serial};

// The current choice. `trial`: OpenMP, which `automatic` replaces by the pool when its callers wait too long.
enum class Choice { none, trial, openmp, pool, serial };

std::atomic<Choice> chosen{Choice::none};
std::atomic<int> thread_count{0};  // 0: not set
Waits waits;                       // of the trial
std::atomic<int> pool_threads{1};  // that the trial has made ready

// GCC's OpenMP waits for ever, in the child of a fork(), for the threads of its parent.
bool openmp_hangs_here() { return fork_count() > 0; }

const ThreadingLayer* layer_of(Choice choice) {
  switch (choice) {
    case Choice::trial:
    case Choice::openmp: return openmp_hangs_here() ? pool_layer() : openmp_layer();
    case Choice::pool: return pool_layer();
    default: return serial_layer();
  }
}

// The pool's threads are made before it replaces OpenMP: that may be within a step, which must not allocate.
void make_pool_ready(int threads) {
  if (threads <= pool_threads.load(std::memory_order_relaxed)) return;
  pool_threads.store(threads, std::memory_order_relaxed);
  pool_layer()->start(threads);
}

bool is_built(Threading layer) {
  switch (layer) {
    case Threading::openmp: return openmp_layer() != nullptr;
    case Threading::pool: return pool_layer() != nullptr;
    default: return true;
  }
}

Choice choice_of(const char* operation, Threading layer) {
  if (!is_built(layer)) {
    std::string others;
    for (const Threading each : kAll) {
      if (is_built(each)) others += (others.empty() ? "" : ", ") + std::string(name_of(each));
    }
    fail<DeviceError>(operation, ": this bpnet was built without '", name_of(layer), "', it has ", others,
                      "; choose one of these, or build it with -DBPNET_",
                      layer == Threading::openmp ? "OPENMP=ON" : "THREADS=ON");
  }
  switch (layer) {
    case Threading::openmp: return Choice::openmp;
    case Threading::pool: return Choice::pool;
    case Threading::serial: return Choice::serial;
    case Threading::automatic: break;
  }
  if (openmp_layer() && !openmp_hangs_here()) return Choice::trial;
  return pool_layer() ? Choice::pool : Choice::serial;
}

Threading parse(const char* operation, std::string_view name) {
  for (const Threading each : kAll) {
    if (name == name_of(each)) return each;
  }
  fail<ValueError>(operation, ": '", std::string(name),
                   "' is not a threading layer, expected auto, openmp, pool or serial");
}

Choice current() {
  Choice now = chosen.load(std::memory_order_acquire);
  if (now != Choice::none) return now;
  const char* const variable = "BPNET_THREADING";
  const char* const name = std::getenv(variable);
  const Threading asked = name && *name ? parse(variable, name) : Threading::automatic;
  const Choice first = choice_of(variable, asked);
  return chosen.compare_exchange_strong(now, first) ? first : now;
}

}  // namespace

const char* name_of(Threading layer) {
  switch (layer) {
    case Threading::openmp: return "openmp";
    case Threading::pool: return "pool";
    case Threading::serial: return "serial";
    case Threading::automatic: break;
  }
  return "auto";
}

Threading threading_named(std::string_view name) { return parse("set_threading", name); }

void set_threading(Threading layer) {
  const Choice choice = choice_of("set_threading", layer);
  if (choice == Choice::openmp && openmp_hangs_here()) {
    fail<DeviceError>(
        "set_threading: 'openmp' cannot be used in the child of a fork(), where it may wait for ever ",
        "for threads of the parent; use 'pool', or start the process anew ('spawn')");
  }
  if (choice == Choice::trial) waits.forget();
  chosen = choice;
}

Threading threading() { return layer_of(current())->kind; }

int num_threads() {
  if (const int set = thread_count.load(std::memory_order_relaxed)) return set;
  const int openmp = asked_num_threads() ? 0 : openmp_num_threads();
  return openmp ? openmp : default_num_threads();
}

int default_num_threads() {
  if (!has_threads()) return 1;
  const int asked = asked_num_threads();
  return asked ? asked : allowed_num_threads();
}

void set_num_threads(int count) {
  if (count < 1) fail<ValueError>("set_num_threads: ", count, " threads asked, at least 1 needed");
  if (has_threads()) thread_count = count;
}

bool has_threads() { return pool_layer() != nullptr; }

void start_threads() {
  const Choice choice = current();
  const int threads = num_threads();
  if (threads < 2) return;
  if (choice == Choice::trial) make_pool_ready(threads);
  layer_of(choice)->start(threads);
}

void parallel_for(std::size_t count, void (*function)(std::size_t, void*), void* argument) {
  const Interruptible* const work = Interruptible::current();
  if (work && work->stopped()) return;
  const Choice choice = current();
  const int threads = num_threads();
  if (threads < 2 || count < 2) {
    run_serially(count, function, argument);
    return;
  }
  const bool trial = choice == Choice::trial;
  if (trial) make_pool_ready(threads);
  layer_of(choice)->run(count, function, argument, threads, trial ? &waits : nullptr);
  if (trial && waits.too_long()) {
    Choice left = Choice::trial;
    chosen.compare_exchange_strong(left, Choice::pool);
  }
}

}  // namespace bpnet
