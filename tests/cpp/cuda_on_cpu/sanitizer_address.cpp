#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

#include "sanitizer.h"

namespace cuda_on_cpu {

void forbid(const void* memory, std::size_t bytes) { __asan_poison_memory_region(memory, bytes); }
void permit(const void* memory, std::size_t bytes) { __asan_unpoison_memory_region(memory, bytes); }
void leave_stack(void** kept, const void* next_stack, std::size_t next_bytes) {
  __sanitizer_start_switch_fiber(kept, next_stack, next_bytes);
}
void enter_stack(void* kept, const void** last_stack, std::size_t* last_bytes) {
  __sanitizer_finish_switch_fiber(kept, last_stack, last_bytes);
}

}  // namespace cuda_on_cpu
