// Memory in separate pages that fault when accessed unless the memory is open.
#pragma once

#include <cstddef>
#include <vector>

namespace bpnet::guarded {

// While one lives, every array may be read and written. Several may live at once, on any threads.
class Open {
 public:
  Open();
  ~Open();
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;
};

// Ends the process with a message unless `array` is null or within this memory: a kernel or a copy was given
// an array that only the host can read. `what` is which of its arrays that is.
void check_array(const char* kernel, const char* what, const void* array);

// Told of each array that a kernel or a copy is given, before the memory is opened for it: between two
// kernels. Null: none is called.
using Watch = void (*)(const char* kernel, const char* what, const void* array);
void set_watch(Watch watch);

struct Block {
  const void* begin;
  std::size_t bytes;
};
std::vector<Block> blocks();  // all that are allocated

}  // namespace bpnet::guarded
