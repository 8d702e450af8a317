#include <ucontext.h>

#include "stack_switch.h"

namespace cuda_on_cpu {

void* first_place(void* stack, std::size_t bytes, void (*body)()) {
  auto* const place = new ucontext_t;  // as long as the stack: for ever
  getcontext(place);
  place->uc_stack.ss_sp = stack;
  place->uc_stack.ss_size = bytes;
  place->uc_link = nullptr;
  makecontext(place, body, 0);
  return place;
}

void switch_place(void** here, void* there) {
  if (!*here) *here = new ucontext_t;
  swapcontext(static_cast<ucontext_t*>(*here), static_cast<ucontext_t*>(there));
}

}  // namespace cuda_on_cpu
