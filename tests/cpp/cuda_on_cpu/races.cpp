#include "races.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include <cuda_runtime.h>

#include "death.h"
#include "memory.h"
#include "shared_memory.h"
#include "threads.h"

// This program's or library's first and last byte, set by the linker.
extern "C" __attribute__((visibility("hidden"))) const unsigned char __ehdr_start, _end;

namespace cuda_on_cpu {
namespace {

constexpr unsigned kLanes = 32, kMostThreads = 1024;

// Which thread accessed a byte, and when. A phase is the code between two barriers of a block; phases are
// numbered over all blocks of all launches. Within a phase a lane counts the synchronisations of its warp.
struct Touch {
  std::uint64_t phase : 36, thread : 10, atomic : 1, meetings : 17;
};
constexpr Touch kNever{0, 0, 0, 0}, kHost{1, 0, 0, 0};

struct Byte {
  Touch write, read, other_read;  // the last ones; of the reads two by different threads
};

// The bytes of an array or of the shared memory.
struct Shadow {
  const unsigned char* begin = nullptr;
  std::size_t count = 0;
  Byte* bytes = nullptr;

  bool has(const unsigned char* at) const { return at >= begin && at < begin + count; }
};

Shadow make_shadow(const void* begin, std::size_t count) {
  void* const bytes = mmap(nullptr, count * sizeof(Byte), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (bytes == MAP_FAILED) die("there is no memory to watch an array of %zu bytes", count);
  return {static_cast<const unsigned char*>(begin), count, static_cast<Byte*>(bytes)};  // none accessed yet
}

std::map<const unsigned char*, Shadow>& shadows() {
  static auto& all = *new std::map<const unsigned char*, Shadow>;
  return all;
}
Shadow shared, last;  // found

std::uint64_t phase = 2, first_of_launch = 2, first_of_block = 2;
bool host_too = false;                // the launch may access the host's memory
thread_local bool in_launch = false;  // other threads run the host's code

// The synchronisations of a warp in this phase: met[lane][other] is how many of the other's are known to
// precede.
struct Meetings {
  std::uint64_t phase = 0;
  std::array<std::array<unsigned, kLanes>, kLanes> met;
};
std::array<Meetings, kMostThreads / kLanes> warps;

Meetings& meetings_of(unsigned warp) {
  Meetings& meetings = warps[warp];
  if (meetings.phase != phase) {
    meetings.phase = phase;
    for (auto& lane : meetings.met) lane.fill(0);
  }
  return meetings;
}

const Shadow* find(const unsigned char* at) {
  if (shared.has(at)) return &shared;
  if (last.has(at)) return &last;
  auto after = shadows().upper_bound(at);
  if (after == shadows().begin() || !(--after)->second.has(at)) return nullptr;
  last = after->second;
  return &last;
}

Touch now(bool atomic) {
  const unsigned thread = running_index(), lane = thread % kLanes;
  return {phase, thread, atomic, meetings_of(thread / kLanes).met[lane][lane]};
}

bool is_shared(const Byte& byte) { return &byte >= shared.bytes && &byte < shared.bytes + shared.count; }

bool ordered(const Touch& before, const Touch& current, bool in_shared) {
  if (before.phase < first_of_launch) return true;      // ordered by the stream
  if (before.phase < first_of_block) return in_shared;  // another block, which has separate shared memory
  if (before.phase < phase || before.thread == current.thread) return true;  // by a barrier
  const unsigned warp = current.thread / kLanes;
  if (before.thread / kLanes != warp) return false;
  return meetings_of(warp).met[current.thread % kLanes][before.thread % kLanes] > before.meetings;
}

[[noreturn]] void die_of_race(const Touch& before, const char* did, const char* does,
                              const unsigned char* at) {
  const Shadow& shadow = *find(at);
  const std::string other = before.phase < first_of_block ? "a thread of another block"
                                                          : "thread " + std::to_string(before.thread) +
                                                                " of the block, counted from 0,";
  die("%s %s byte %td of %s, and nothing orders that before\n  %s, which %s it", other.c_str(), did,
      at - shadow.begin, &shadow == &shared ? "the shared memory" : "an array", running_thread().c_str(),
      does);
}

bool is_written(const Byte& byte) {
  return byte.write.phase != kNever.phase && !(is_shared(byte) && byte.write.phase < first_of_block);
}

// Some of a struct's bytes are padding, so a read is of unwritten memory only where none of its bytes was
// written.
void check_written(const Byte* bytes, std::size_t count, const unsigned char* at) {
  if (std::any_of(bytes, bytes + count, is_written)) return;
  die("byte %td of %s is read and was never written\n  by %s", at - find(at)->begin,
      find(at) == &shared ? "the shared memory" : "an array", running_thread().c_str());
}

void read_byte(Byte& byte, const Touch& current, const unsigned char* at) {
  if (!ordered(byte.write, current, is_shared(byte))) die_of_race(byte.write, "writes", "reads", at);
  if (byte.read.thread != current.thread || byte.read.phase < first_of_block) byte.other_read = byte.read;
  byte.read = current;
}

void write_byte(Byte& byte, const Touch& current, const unsigned char* at) {
  const bool in_shared = is_shared(byte);
  const bool both_atomic = current.atomic && byte.write.atomic;
  if (!both_atomic && !ordered(byte.write, current, in_shared))
    die_of_race(byte.write, "writes", "writes", at);
  for (const Touch& read : {byte.read, byte.other_read}) {
    if (!ordered(read, current, in_shared)) die_of_race(read, "reads", "writes", at);
  }
  byte.write = current;
}

// A thread's variables, the kernel's arguments, and constants.
bool is_kernels(const unsigned char* at) {
  constexpr std::ptrdiff_t kStack = 256 * 1024;
  const auto* const here = static_cast<const unsigned char*>(__builtin_frame_address(0));
  const auto* const body = static_cast<const unsigned char*>(running_kernel().body.get());
  if (at >= body && at < body + running_kernel().bytes) return true;
  return (at > here - kStack && at < here + kStack) || (at >= &__ehdr_start && at < &_end);
}

enum class Access { kRead, kWrite, kAtomic };

void touch(const void* address, std::size_t size, Access access) {
  if (!in_launch) return;
  const auto* const at = static_cast<const unsigned char*>(address);
  const Shadow* const shadow = find(at);
  if (!shadow) {
    if (host_too || is_kernels(at) || where(at, size).kind == Where::kPinned) return;
    die("the address %p is touched, which is the host's\n  by %s", address, running_thread().c_str());
  }
  const Touch current = now(access == Access::kAtomic);
  Byte* const bytes = shadow->bytes + (at - shadow->begin);
  const auto available = static_cast<std::size_t>(shadow->begin + shadow->count - at);
  const std::size_t count = std::min(size, available);  // an access beyond the end faults by itself
  if (access != Access::kWrite) check_written(bytes, count, at);
  for (std::size_t i = 0; i < count; ++i) {
    (access == Access::kRead ? read_byte : write_byte)(bytes[i], current, at + i);
  }
}

}  // namespace

void launch_begins() {
  if (!shared.begin) shared = make_shadow(shared_begin(), kMostShared);
  in_launch = true;
  host_too = false;
  first_of_launch = ++phase;
}
void launch_ends() { in_launch = false; }
void block_begins() { first_of_block = ++phase; }
void block_met() { ++phase; }

void lanes_met(unsigned first, unsigned lanes) {
  auto& met = meetings_of(first / kLanes).met;
  std::array<unsigned, kLanes> all{};
  for (unsigned rest = lanes; rest; rest &= rest - 1) {
    const auto& known = met[unsigned(__builtin_ctz(rest))];
    for (unsigned i = 0; i < kLanes; ++i) all[i] = std::max(all[i], known[i]);
  }
  for (unsigned rest = lanes; rest; rest &= rest - 1) ++all[unsigned(__builtin_ctz(rest))];
  for (unsigned rest = lanes; rest; rest &= rest - 1) met[unsigned(__builtin_ctz(rest))] = all;
}

void array_begins(const void* begin, std::size_t bytes) {
  shadows().emplace(static_cast<const unsigned char*>(begin), make_shadow(begin, bytes));
}
void array_ends(const void* begin) {
  const auto found = shadows().find(static_cast<const unsigned char*>(begin));
  munmap(found->second.bytes, found->second.count * sizeof(Byte));
  shadows().erase(found);
  last = {};
}
void array_written(const void* to, std::size_t bytes) {
  const auto* const at = static_cast<const unsigned char*>(to);
  const Shadow* const shadow = find(at);
  if (!shadow) return;
  for (std::size_t i = 0; i < bytes; ++i)
    shadow->bytes[at - shadow->begin + std::ptrdiff_t(i)] = {kHost, kNever, kNever};
}

void use_host_memory() { host_too = true; }
void note_read(const void* address, std::size_t size) { touch(address, size, Access::kRead); }
void note_write(const void* address, std::size_t size) { touch(address, size, Access::kWrite); }
void note_atomic(const void* address, std::size_t size) { touch(address, size, Access::kAtomic); }

}  // namespace cuda_on_cpu
