// Pages and their protection.
#pragma once

#include <cstddef>

namespace cuda_on_cpu {

std::size_t whole_pages(std::size_t bytes);
void protect(void* pages, std::size_t bytes, int protection);

// An array whose end is the end of its pages, up to the alignment of CUDA's memory, with inaccessible pages
// on both sides. The bytes between the array and them hold the canary.
struct Pages {
  unsigned char* begin = nullptr;  // of the array
  std::size_t bytes = 0;           // that were requested
  unsigned char* first = nullptr;  // page that may be opened
  std::size_t open_bytes = 0;
};

Pages take_pages(std::size_t bytes);  // readable and writable; begin is null where the system has none
void give_pages(const Pages&);        // inaccessible for a while: a later read ends the process
void check_canary(const Pages&, const char* what);  // of accessible pages; dies if overwritten

}  // namespace cuda_on_cpu
