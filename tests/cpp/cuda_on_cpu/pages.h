// Pages, and who may touch them.
#pragma once

#include <cstddef>

namespace cuda_on_cpu {

std::size_t whole_pages(std::size_t bytes);
void protect(void* pages, std::size_t bytes, int protection);

// An array whose end is the end of its pages, up to the alignment of CUDA's memory, with closed pages on both
// sides. The bytes between the array and them hold the canary.
struct Pages {
  unsigned char* begin = nullptr;  // of the array
  std::size_t bytes = 0;           // that were asked for
  unsigned char* first = nullptr;  // page that may be opened
  std::size_t open_bytes = 0;
};

Pages take_pages(std::size_t bytes);  // readable and writable; begin is null where the system has none
void give_pages(const Pages&);        // closed for long: whoever still reads them dies
void check_canary(const Pages&, const char* what);  // of open pages; dies where it was written

}  // namespace cuda_on_cpu
