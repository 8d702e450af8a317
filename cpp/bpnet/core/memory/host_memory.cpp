#include <cstring>

#include "bpnet/core/memory/memory.h"
#include "bpnet/core/memory/pages.h"

namespace bpnet {
namespace {

class HostMemory final : public Memory {
 public:
  bool is_host() const override { return true; }
  void* allocate(std::size_t bytes) const override { return take_pages(bytes); }
  void release(void* memory, std::size_t bytes) const noexcept override { give_pages(memory, bytes); }
  void clear(void* to, std::size_t bytes) const override { std::memset(to, 0, bytes); }
  void to_backend(void* to, const void* host, std::size_t bytes) const override { within(to, host, bytes); }
  void to_host(void* host, const void* from, std::size_t bytes) const override { within(host, from, bytes); }
  void within(void* to, const void* from, std::size_t bytes) const override { std::memmove(to, from, bytes); }
};

}  // namespace

// Never destroyed: an application's static network may outlive every other static object.
const Memory& host_memory() {
  static const HostMemory& memory = *new HostMemory;
  return memory;
}

}  // namespace bpnet
