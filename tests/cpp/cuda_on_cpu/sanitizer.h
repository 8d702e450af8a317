// Announcements to AddressSanitizer. sanitizer_none.cpp where the library is built without it.
#pragma once

#include <cstddef>

namespace cuda_on_cpu {

void forbid(const void* memory, std::size_t bytes);  // a read or write of it is an error
void permit(const void* memory, std::size_t bytes);

// Around a change of the stack: `*kept` belongs to the previous stack.
void leave_stack(void** kept, const void* next_stack, std::size_t next_bytes);
void enter_stack(void* kept, const void** last_stack, std::size_t* last_bytes);

}  // namespace cuda_on_cpu
