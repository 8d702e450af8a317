// The GPUs' memory: pages that the host cannot access.
#pragma once

#include <cuda_runtime.h>

namespace cuda_on_cpu {

// While one exists, a GPU's memory can be read and written.
class Open {
 public:
  explicit Open(int device);
  ~Open();
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;

 private:
  int device_;
};

// The location of an array.
struct Where {
  enum Kind {
    kHost,
    kPinned,
    kDevice,
    kBeyond
  } kind;  // beyond the end of an allocated array that it begins in
  int device;
};
Where where(const void* array, std::size_t bytes);

void check_canaries(int device);  // dies of a write outside an array; the memory is open

// "; the address is 12 bytes beyond the end of …" for an address that may not be read.
const char* describe(const void* address, char* text, std::size_t size);

}  // namespace cuda_on_cpu
