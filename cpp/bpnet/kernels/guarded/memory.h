// Memory in separate pages that fault when accessed unless the memory is open.
#pragma once

#include <cstddef>
#include <vector>

namespace bpnet::guarded {

// While one exists, every array may be read and written. Several may exist at once, on any threads.
class Open {
 public:
  Open();
  ~Open();
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;
};

// Ends the process with a message unless `array` is null or within this memory: the kernel or copy got an
// array in the host's memory. `what` names the array among its arguments.
void check_array(const char* kernel, const char* what, const void* array);

// Called for each array argument of a kernel or a copy, before the memory is opened for it, that is between
// two kernels. Null: nothing is called.
using Watch = void (*)(const char* kernel, const char* what, const void* array);
void set_watch(Watch watch);

struct Block {
  const void* begin;
  std::size_t bytes;
};
std::vector<Block> blocks();  // all allocated blocks

}  // namespace bpnet::guarded
