// Memory in pages of its own that are closed to everybody but while it is open.
#pragma once

#include <cstddef>

namespace bpnet::guarded {

// While one lives, every array may be read and written. Several may live at once, on any threads.
class Open {
 public:
  Open();
  ~Open();
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;
};

// Ends the process with a message unless `array` is null or within this memory: a kernel was given an array
// that only the host can read.
void check_array(const char* kernel, const void* array);

}  // namespace bpnet::guarded
