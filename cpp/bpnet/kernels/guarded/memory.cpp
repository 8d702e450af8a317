#include "bpnet/kernels/guarded/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

#include "bpnet/core/memory/memory.h"
#include "bpnet/kernels/tables.h"

namespace bpnet {
namespace guarded {
namespace {

std::mutex mutex;
int open_count = 0;                                     // guarded by mutex, as are the blocks
std::map<const unsigned char*, std::size_t> allocated;  // each block's start and bytes
std::atomic<Watch> watching{nullptr};

std::size_t pages_of(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

void protect(const void* block, std::size_t bytes, int protection) {
  if (mprotect(const_cast<void*>(block), bytes, protection) != 0) {
    std::perror("guarded: mprotect");
    std::abort();
  }
}

void protect_all(int protection) {
  for (const auto& [block, bytes] : allocated) protect(block, bytes, protection);
}

void copy(void* to, const void* from, std::size_t bytes) {
  const Open open;
  std::memmove(to, from, bytes);
}

class GuardedMemory final : public Memory {
 public:
  bool is_host() const override { return false; }
  // Several steps in a slice, usually not a divisor of the steps of an epoch.
  std::size_t steps_unread() const override { return 3; }

  // Data sets of up to 900 bytes fit. Tests that change an array while a network is trained on it have larger
  // ones, which are sent batch by batch.
  std::size_t free_bytes() const override { return 1800; }

  void* allocate(std::size_t bytes) const override {
    const std::size_t size = pages_of(bytes == 0 ? 1 : bytes);
    const std::lock_guard<std::mutex> lock(mutex);
    const int protection = open_count > 0 ? PROT_READ | PROT_WRITE : PROT_NONE;
    void* const block = mmap(nullptr, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) throw std::bad_alloc();
    allocated.emplace(static_cast<const unsigned char*>(block), size);
    return block;
  }

  void release(void* memory, std::size_t bytes) const noexcept override {
    const std::lock_guard<std::mutex> lock(mutex);
    allocated.erase(static_cast<const unsigned char*>(memory));
    munmap(memory, pages_of(bytes == 0 ? 1 : bytes));
  }

  void clear(void* to, std::size_t bytes) const override {
    const Open open;
    std::memset(to, 0, bytes);
  }

  void to_backend(void* to, const void* host, std::size_t bytes) const override {
    check_array("to_backend", "to", to);
    copy(to, host, bytes);
  }

  void to_host(void* host, const void* from, std::size_t bytes) const override {
    check_array("to_host", "from", from);
    copy(host, from, bytes);
  }

  void within(void* to, const void* from, std::size_t bytes) const override {
    check_array("within", "to", to);
    check_array("within", "from", from);
    copy(to, from, bytes);
  }
};

}  // namespace

Open::Open() {
  const std::lock_guard<std::mutex> lock(mutex);
  if (open_count++ == 0) protect_all(PROT_READ | PROT_WRITE);
}

Open::~Open() {
  const std::lock_guard<std::mutex> lock(mutex);
  if (--open_count == 0) protect_all(PROT_NONE);
}

void check_array(const char* kernel, const char* what, const void* array) {
  if (!array) return;
  if (const Watch watch = watching.load()) watch(kernel, what, array);
  const auto* const at = static_cast<const unsigned char*>(array);
  const std::lock_guard<std::mutex> lock(mutex);
  auto after = allocated.upper_bound(at);
  if (after != allocated.begin()) {
    --after;
    if (at <= after->first + after->second) return;  // the end too: an array of no elements
  }
  std::fprintf(stderr, "guarded: %s was given an array (%s) that is not in the backend's memory\n", kernel,
               what);
  std::abort();
}

void set_watch(Watch watch) { watching.store(watch); }

std::vector<Block> blocks() {
  const std::lock_guard<std::mutex> lock(mutex);
  std::vector<Block> result;
  for (const auto& [begin, bytes] : allocated) result.push_back({begin, bytes});
  return result;
}

}  // namespace guarded

bool has_guarded() { return true; }
const Memory& guarded_memory() {
  static const guarded::GuardedMemory& memory = *new guarded::GuardedMemory;
  return memory;
}

}  // namespace bpnet
