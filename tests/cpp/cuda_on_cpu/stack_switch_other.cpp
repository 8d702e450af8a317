#include <ucontext.h>

#include "stack_switch.h"

namespace cuda_on_cpu {

void* new_stack(void* stack, std::size_t bytes, void (*body)()) {
  auto* const context = new ucontext_t;  // never freed, as the stack
  getcontext(context);
  context->uc_stack.ss_sp = stack;
  context->uc_stack.ss_size = bytes;
  context->uc_link = nullptr;
  makecontext(context, body, 0);
  return context;
}

void switch_stack(void** here, void* there) {
  if (!*here) *here = new ucontext_t;
  swapcontext(static_cast<ucontext_t*>(*here), static_cast<ucontext_t*>(there));
}

}  // namespace cuda_on_cpu
