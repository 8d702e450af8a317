#include "checks.h"

#include <atomic>
#include <cstdio>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "bpnet/core/error.h"
#include "bpnet/core/threads/interrupt.h"
#include "bpnet/core/threads/waits.h"

using bpnet::Region;
using bpnet::Threading;
using bpnet::Waits;

static int failures = 0;

void check(bool holds, const std::string& what) {
  if (holds) return;
  std::printf("failed: %s\n", what.c_str());
  ++failures;
}

int finish() {
  if (!failures) std::printf("ok\n");
  return failures ? 1 : 0;
}

namespace {

template <class Body>
void parallel(std::size_t count, Body body) {
  bpnet::parallel_for(count, [](std::size_t i, void* f) { (*static_cast<Body*>(f))(i); }, &body);
}

bool each_once(std::size_t count) {
  std::vector<int> seen(count);
  parallel(count, [&](std::size_t i) { ++seen[i]; });
  return seen == std::vector<int>(count, 1);
}

// Each chunk waits until all threads have one: with one thread fewer it would wait for ever.
std::size_t threads_at_once(std::size_t threads) {
  std::mutex mutex;
  std::set<std::thread::id> found;
  std::atomic<std::size_t> arrived{0};
  parallel(threads, [&](std::size_t) {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      found.insert(std::this_thread::get_id());
    }
    ++arrived;
    while (arrived < threads) std::this_thread::yield();
  });
  return found.size();
}

void check_nested(const std::string& name) {
  std::vector<int> seen(6 * 5);
  parallel(6, [&](std::size_t i) { parallel(5, [&](std::size_t j) { ++seen[5 * i + j]; }); });
  check(seen == std::vector<int>(30, 1), name + ": nested calls");
}

void check_simultaneous(const std::string& name) {
  std::atomic<int> right{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int i = 0; i < 50; ++i) right += each_once(37);
    });
  }
  for (std::thread& caller : callers) caller.join();
  check(right == 200, name + ": calls from four threads at once");
}

// Interrupted at the caller's first chunk, for which the others wait: the remaining chunks are skipped.
void check_interrupted(const std::string& name) {
  bpnet::replace_question_clock([] { return true; });
  std::atomic<bool> asked{false};
  const bpnet::StopQuestion yes = [&] { return asked = true; };
  const std::thread::id caller = std::this_thread::get_id();
  bpnet::Interruptible work(yes);
  std::atomic<std::size_t> done{0};
  parallel(100000, [&](std::size_t) {
    while (!asked && std::this_thread::get_id() != caller) std::this_thread::yield();
    ++done;
  });
  check(work.stopped() && done < 100000, name + ": the remaining chunks are skipped");
  const std::size_t before = done;
  parallel(10, [&](std::size_t) { ++done; });
  check(done == before, name + ": nothing is begun after that");
  bpnet::replace_question_clock(nullptr);
}

}  // namespace

void check_layer(Threading layer) {
  const std::string name = name_of(layer);
  bpnet::set_threading(layer);
  check(layer == Threading::automatic || bpnet::threading() == layer, name + ": is not in use");
  for (const int threads : {1, 2, 3, 8}) {
    bpnet::set_num_threads(threads);
    bpnet::start_threads();
    for (const std::size_t count : {0, 1, 2, 3, 7, 64, 65, 1000}) {
      check(each_once(count), name + ": " + std::to_string(count) + " chunks");
    }
    check_nested(name);
    check_simultaneous(name);
    check_interrupted(name);
    if (bpnet::threading() != Threading::serial) {
      const std::size_t wanted = static_cast<std::size_t>(threads);
      check(threads_at_once(wanted) == wanted, name + ": " + std::to_string(threads) + " threads");
    }
  }
}

void check_names() {
  for (const char* name : {"auto", "openmp", "pool", "serial"}) {
    check(name_of(bpnet::threading_named(name)) == std::string(name), std::string("the name ") + name);
  }
  check(message_of<bpnet::ValueError>([] { bpnet::threading_named("abacus"); }) ==
            "set_threading: 'abacus' is not a threading layer, expected auto, openmp, pool or serial",
        "an unknown name");
}

namespace {

constexpr Region kQuiet{.work = 50e-6, .wait = 5e-6, .chunks = 6},
    kLate{.work = 50e-6, .wait = 8e-3, .chunks = 6};
constexpr Region kStopped{.work = 50e-6, .wait = 3600, .chunks = 6};  // for an hour

// The number of regions after which the waits are too long, or −1.
int too_long_after(Waits& waits, int count, const std::function<Region(int)>& region) {
  for (int i = 0; i < count; ++i) {
    waits.add(region(i));
    if (waits.too_long()) return i + 1;
  }
  return -1;
}

}  // namespace

void check_waits() {
  Waits waits;
  check(too_long_after(waits, 100000, [](int) { return kQuiet; }) == -1, "waits: of a quiet machine");
  check(too_long_after(waits, 4, [](int) { return kStopped; }) == -1, "waits: a process that was stopped");
  check(too_long_after(waits, 100000, [](int) { return kQuiet; }) == -1, "waits: which is forgotten");
  check(too_long_after(waits, 1000000, [](int i) { return i % 10000 ? kQuiet : kLate; }) == -1,
        "waits: rare hiccups");
  const Region one_large_chunk{.work = 10e-3, .wait = 30e-3, .chunks = 1};
  check(too_long_after(waits, 10000, [&](int) { return one_large_chunk; }) == -1,
        "waits: for another thread's large chunks");
  const Region woken{.work = 30e-6, .wait = 150e-6, .chunks = 3};
  check(too_long_after(waits, 10000, [&](int) { return woken; }) == -1,
        "waits: for a thread that was asleep");
  const Region without_a_chunk{.work = 1e-6, .wait = 8e-3, .chunks = 0};
  check(too_long_after(waits, 10000, [&](int) { return without_a_chunk; }) == -1, "waits: without a chunk");
  check(too_long_after(waits, 100, [](int) { return kLate; }) == 5, "waits: of a busy machine");
  check(waits.too_long(), "waits: stay too long");
  waits.forget();
  check(!waits.too_long() && too_long_after(waits, 4, [](int) { return kLate; }) == -1, "waits: begin anew");
  check(too_long_after(waits, 1000, [](int i) { return i % 100 ? kQuiet : kLate; }) > 0,
        "waits: where one region of a hundred is late");
}
