#include "shared_memory.h"

#include <sys/mman.h>

#include "death.h"
#include "garbage.h"
#include "pages.h"
#include "sanitizer.h"
#include "threads.h"

// [inaccessible page][the memory …, canary][inaccessible pages]. Device code declares the memory as
// bpnet::cuda::bpnet_shared.
namespace {
constexpr std::size_t kPage = 4096, kBody = (cuda_on_cpu::kMostShared + kPage - 1) / kPage * kPage;
}
extern "C" {
extern __attribute__((visibility("hidden"))) unsigned char cuda_on_cpu_shared_area[kPage + kBody + kPage];
alignas(kPage) unsigned char cuda_on_cpu_shared_area[kPage + kBody + kPage];
}
asm(R"(
.globl _ZN5bpnet4cuda12bpnet_sharedE
.hidden _ZN5bpnet4cuda12bpnet_sharedE
.set _ZN5bpnet4cuda12bpnet_sharedE, cuda_on_cpu_shared_area + 4096
)");

namespace cuda_on_cpu {
namespace {

unsigned char* const memory = cuda_on_cpu_shared_area + kPage;
std::size_t size = 0;

std::size_t canary_bytes() { return whole_pages(size) - size; }

// LeakSanitizer reads all global variables at the end of the process, these too.
struct Reopening {
  ~Reopening() { protect(cuda_on_cpu_shared_area, sizeof cuda_on_cpu_shared_area, PROT_READ | PROT_WRITE); }
} const at_the_end;

// Makes the pages beyond inaccessible.
void open_pages(std::size_t bytes) {
  static std::size_t open = sizeof cuda_on_cpu_shared_area;
  if (open == bytes) return;
  open = bytes;
  protect(cuda_on_cpu_shared_area, sizeof cuda_on_cpu_shared_area, PROT_NONE);
  if (bytes > 0) protect(memory, bytes, PROT_READ | PROT_WRITE);
}

}  // namespace

const void* shared_begin() { return memory; }

void open_shared(std::size_t bytes) {
  permit(memory, kBody);
  size = bytes;
  open_pages(whole_pages(size));
  fill_canary(memory + size, canary_bytes());
  forbid(memory + size, canary_bytes());
}

void fill_shared() { fill_garbage(memory, size); }

void check_shared() {
  const std::size_t rest = canary_bytes();
  permit(memory + size, rest);
  const std::size_t at = first_changed(memory + size, rest);
  if (at != rest) {
    die("%zu bytes beyond the shared memory of %zu bytes that the launch asked for were written\n  before or by %s",
        at, size, running_thread().c_str());
  }
  forbid(memory + size, rest);
}

}  // namespace cuda_on_cpu
