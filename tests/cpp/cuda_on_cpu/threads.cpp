#include "threads.h"

#include <dlfcn.h>

#include <array>
#include <cstdio>
#include <numeric>
#include <vector>

#include "chance.h"
#include "death.h"
#include "fibers.h"
#include "pipelines.h"
#include "races.h"
#include "shared_memory.h"

uint3 threadIdx, blockIdx, blockDim, gridDim;

namespace cuda_on_cpu {
namespace {

constexpr unsigned kLanes = 32, kMostThreads = 1024;

using Fold = std::uint64_t (*)(std::uint64_t, std::uint64_t);

// What a thread waits for, and its arguments.
struct Wait {
  enum Kind { kNothing, kBlock, kWarp, kShuffle, kFold } kind = kNothing;
  Site site{};
  unsigned mask = 0;
  std::uint64_t given = 0, result = 0;
  unsigned from_lane = 0;
  Fold fold = nullptr;
};

struct Thread {
  Fiber* fiber = nullptr;  // on which it stopped
  Wait wait;
};

struct Warp {
  unsigned live = 0;     // lanes that have not ended
  unsigned waiting = 0;  // lanes that wait for others of the warp
};

// The running block. Launches are serialised, so there is one.
struct Block {
  const Launch* launch = nullptr;
  unsigned count = 0;  // of threads
  std::array<Thread, kMostThreads> threads;
  std::array<Warp, kMostThreads / kLanes> warps;
  std::array<unsigned short, kMostThreads> ready;  // those that can continue, in any order
  unsigned ready_count = 0;
  unsigned ended = 0, at_block = 0, given = 0;  // threads that ended, wait for the block, passed true
  Site site{};                                  // where they wait for the block
  unsigned running = 0;
};
Block block;

Fiber host;
Fiber* current = nullptr;                              // that runs
std::vector<Fiber*>& idle = *new std::vector<Fiber*>;  // with no thread
constexpr unsigned kNone = ~0u;

std::string site_name(const Site& site) {
  const std::string file = site.file;
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(site.line);
}

std::string index_name(const uint3& i) {
  char text[40];
  std::snprintf(text, sizeof text, "(%u, %u, %u)", i.x, i.y, i.z);
  return text;
}

uint3 index_of(unsigned thread) {
  return {thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / (blockDim.x * blockDim.y)};
}

std::string kernel_name() {
  const Kernel& kernel = block.launch->kernel;
  Dl_info info{};
  std::string name = kernel.signature;
  if (kernel.function && dladdr(kernel.function, &info) != 0 && info.dli_fname) {
    char at[64];
    std::snprintf(at, sizeof at, "+0x%zx",
                  static_cast<std::size_t>(static_cast<const char*>(kernel.function) -
                                           static_cast<const char*>(info.dli_fbase)));
    name = std::string(info.dli_fname) + at + ", " + name;
  }
  return name;
}

std::string thread_name(unsigned thread) {
  return "thread " + index_name(index_of(thread)) + " of block " + index_name(blockIdx);
}

[[noreturn]] void die_in_kernel(const std::string& message) {
  die("%s\n  in the kernel %s", message.c_str(), kernel_name().c_str());
}

unsigned take_ready() {
  if (block.ready_count == 0) return kNone;
  const unsigned i = chance(block.ready_count);
  const unsigned thread = block.ready[i];
  block.ready[i] = block.ready[--block.ready_count];
  return thread;
}

void make_ready(unsigned thread) { block.ready[block.ready_count++] = static_cast<unsigned short>(thread); }

void set_running(unsigned thread) {
  block.running = thread;
  threadIdx = index_of(thread);
}

std::string waiting_name(unsigned thread) {
  const Wait& wait = block.threads[thread].wait;
  const char* const whom = wait.kind == Wait::kBlock ? "the block" : "lanes of its warp";
  return thread_name(thread) + " waits at " + site_name(wait.site) + " for " + whom;
}

[[noreturn]] void die_of_waiting() {
  std::string message = "threads wait for others that do not come:";
  const Wait* last = nullptr;
  unsigned named = 0;
  for (unsigned i = 0; i < block.count && named < 3; ++i) {
    const Wait& wait = block.threads[i].wait;
    if (wait.kind == Wait::kNothing) continue;
    if (last && last->kind == wait.kind && last->site.line == wait.site.line) continue;
    message += "\n  " + waiting_name(i);
    last = &wait;
    ++named;
  }
  die_in_kernel(message);
}

void run_threads();

// Lets another thread run until this one can continue.
void stop() {
  const unsigned self = block.running;
  const unsigned next = take_ready();
  if (next == kNone) die_of_waiting();
  if (next != self) {
    Fiber* const mine = current;
    block.threads[self].fiber = mine;
    Fiber*& stopped = block.threads[next].fiber;
    if (stopped) {
      current = stopped;
      stopped = nullptr;
    } else {
      if (idle.empty()) idle.push_back(new Fiber(run_threads));
      current = idle.back();
      idle.pop_back();
    }
    block.running = next;
    mine->switch_to(*current);
  }
  set_running(self);
}

bool same_call(const Wait& a, const Wait& b) {
  return a.kind == b.kind && a.mask == b.mask && a.site.line == b.site.line && a.site.file == b.site.file;
}

void finish_warp_call(unsigned first, unsigned lanes) {
  // Shuffles and votes do not order reads and writes.
  if (block.threads[first + unsigned(__builtin_ctz(lanes))].wait.kind == Wait::kWarp) lanes_met(first, lanes);
  for (unsigned rest = lanes; rest; rest &= rest - 1) {
    Wait& wait = block.threads[first + unsigned(__builtin_ctz(rest))].wait;
    if (wait.kind == Wait::kShuffle) {
      if (!(lanes >> wait.from_lane & 1)) {
        die_in_kernel(thread_name(first + unsigned(__builtin_ctz(rest))) + " shuffles at " +
                      site_name(wait.site) + " from lane " + std::to_string(wait.from_lane) +
                      ", which does not take part");
      }
      wait.result = block.threads[first + wait.from_lane].wait.given;
    } else if (wait.kind == Wait::kFold) {
      bool some = false;
      for (unsigned other = lanes; other; other &= other - 1) {
        const std::uint64_t given = block.threads[first + unsigned(__builtin_ctz(other))].wait.given;
        wait.result = some ? wait.fold(wait.result, given) : given;
        some = true;
      }
    }
  }
  for (unsigned rest = lanes; rest; rest &= rest - 1) {
    const unsigned thread = first + unsigned(__builtin_ctz(rest));
    block.threads[thread].wait.kind = Wait::kNothing;
    make_ready(thread);
  }
}

// Lets the lanes that wait with `thread` continue if all have arrived.
void try_warp(unsigned thread) {
  const unsigned first = thread / kLanes * kLanes;
  Warp& warp = block.warps[thread / kLanes];
  const Wait& wait = block.threads[thread].wait;
  const unsigned lanes = wait.mask & warp.live;
  if (lanes & ~warp.waiting) return;
  for (unsigned rest = lanes; rest; rest &= rest - 1) {
    const unsigned other = first + unsigned(__builtin_ctz(rest));
    if (!same_call(wait, block.threads[other].wait)) return;  // it waits for others
  }
  warp.waiting &= ~lanes;
  finish_warp_call(first, lanes);
}

std::uint64_t wait_in_warp(const Wait& wait) {
  const unsigned self = block.running, own = 1u << self % kLanes;
  if (!(wait.mask & own)) {
    die_in_kernel(thread_name(self) + " calls at " + site_name(wait.site) +
                  " with a mask that leaves out its own lane");
  }
  block.threads[self].wait = wait;
  block.warps[self / kLanes].waiting |= own;
  try_warp(self);
  stop();
  return block.threads[self].wait.result;
}

void end_thread() {
  const unsigned self = block.running;
  finish_copies(self);
  ++block.ended;
  if (block.at_block > 0) {
    die_in_kernel(thread_name(self) + " ended while others wait for the block at " + site_name(block.site));
  }
  Warp& warp = block.warps[self / kLanes];
  warp.live &= ~(1u << self % kLanes);
  for (unsigned rest = warp.waiting; rest; rest &= rest - 1) {
    const unsigned lane = unsigned(__builtin_ctz(rest));
    if (warp.waiting >> lane & 1) try_warp(self / kLanes * kLanes + lane);
  }
}

void begin_block() {
  const unsigned count = block.count;
  block.ended = block.at_block = 0;
  block.ready_count = count;
  std::iota(block.ready.begin(), block.ready.begin() + count, static_cast<unsigned short>(0));
  for (unsigned first = 0; first < count; first += kLanes) {
    const unsigned lanes = count - first;
    block.warps[first / kLanes] = {lanes >= kLanes ? ~0u : (1u << lanes) - 1, 0};
  }
  fill_shared();
  block_begins();
}

// The loop of a fiber: runs thread after thread, on the same stack while none waits.
void run_threads() {
  for (;;) {
    set_running(block.running);
    const Kernel& kernel = block.launch->kernel;
    kernel.run(kernel.body.get());
    end_thread();
    const unsigned next = take_ready();
    if (next != kNone && !block.threads[next].fiber) {
      block.running = next;
      continue;
    }
    Fiber* const mine = current;
    idle.push_back(mine);
    if (next != kNone) {
      block.running = next;
      current = block.threads[next].fiber;
      block.threads[next].fiber = nullptr;
    } else {
      if (block.ended != block.count) die_of_waiting();
      current = &host;
    }
    mine->switch_to(*current);
  }
}

void run_block() {
  begin_block();
  block.running = take_ready();
  if (idle.empty()) idle.push_back(new Fiber(run_threads));
  current = idle.back();
  idle.pop_back();
  host.switch_to(*current);
  check_shared();
}

}  // namespace

unsigned wait_for_block(bool given, Site site) {
  if (block.ended > 0) {
    die_in_kernel(thread_name(block.running) + " waits at " + site_name(site) + " for the block, of which " +
                  std::to_string(block.ended) + " threads have ended");
  }
  if (block.at_block == 0) {
    block.site = site;
    block.given = 0;
  } else if (block.site.line != site.line) {
    die_in_kernel(thread_name(block.running) + " waits at " + site_name(site) + " for the block, others at " +
                  site_name(block.site));
  }
  const unsigned self = block.running;
  block.given += given;
  block.threads[self].wait.kind = Wait::kBlock;
  block.threads[self].wait.site = site;
  if (++block.at_block == block.count) {
    block.at_block = 0;
    block_met();
    for (unsigned i = 0; i < block.count; ++i) {
      block.threads[i].wait.kind = Wait::kNothing;
      block.threads[i].wait.result = block.given;
      make_ready(i);
    }
  }
  stop();
  return static_cast<unsigned>(block.threads[self].wait.result);
}

void wait_for_warp(unsigned mask, Site site) {
  Wait wait;
  wait.kind = Wait::kWarp;
  wait.site = site;
  wait.mask = mask;
  wait_in_warp(wait);
}

std::uint64_t shuffle(unsigned mask, std::uint64_t value, unsigned from_lane, Site site) {
  Wait wait;
  wait.kind = Wait::kShuffle;
  wait.site = site;
  wait.mask = mask;
  wait.given = value;
  wait.from_lane = from_lane;
  return wait_in_warp(wait);
}

std::uint64_t fold_lanes(unsigned mask, std::uint64_t value, Fold fold, Site site) {
  Wait wait;
  wait.kind = Wait::kFold;
  wait.site = site;
  wait.mask = mask;
  wait.given = value;
  wait.fold = fold;
  return wait_in_warp(wait);
}

const Kernel& running_kernel() { return block.launch->kernel; }
unsigned running_index() { return block.running; }
unsigned lane() { return block.running % kLanes; }

void trap() { die_in_kernel(thread_name(block.running) + " ended the kernel by __trap()"); }

std::string running_thread() {
  return block.launch ? thread_name(block.running) + "\n  in the kernel " + kernel_name() : "";
}

void run(const Launch& launch) {
  block.launch = &launch;
  blockDim = {launch.block.x, launch.block.y, launch.block.z};
  gridDim = {launch.grid.x, launch.grid.y, launch.grid.z};
  block.count = blockDim.x * blockDim.y * blockDim.z;
  open_shared(launch.shared);
  launch_begins();
  // i * step modulo the number of blocks visits each once, as step has no divisor in common with it.
  const std::uint64_t blocks = std::uint64_t{gridDim.x} * gridDim.y * gridDim.z;
  const auto below = static_cast<std::uint32_t>(std::min<std::uint64_t>(blocks, 1u << 31));
  std::uint64_t at = chance(below), step = 1 + chance(below);
  while (std::gcd(step, blocks) != 1) step = 1 + chance(below);
  for (std::uint64_t i = 0; i < blocks; ++i) {
    blockIdx = {static_cast<unsigned>(at % gridDim.x), static_cast<unsigned>(at / gridDim.x % gridDim.y),
                static_cast<unsigned>(at / gridDim.x / gridDim.y)};
    run_block();
    at = (at + step) % blocks;
  }
  launch_ends();
  block.launch = nullptr;
}

}  // namespace cuda_on_cpu
