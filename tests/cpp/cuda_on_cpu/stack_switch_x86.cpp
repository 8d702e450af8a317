// Saves the registers that the x86-64 System V calling convention requires a function to preserve. ucontext
// asks the kernel for the signal mask at each switch, which takes fifty times as long.
#include <cstdint>

#include "stack_switch.h"

asm(R"(
.text
.globl cuda_on_cpu_switch_stack
.hidden cuda_on_cpu_switch_stack
.type cuda_on_cpu_switch_stack, @function
cuda_on_cpu_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cuda_on_cpu_switch_stack, . - cuda_on_cpu_switch_stack
)");
extern "C" __attribute__((visibility("hidden"))) void cuda_on_cpu_switch_stack(void** here, void* there);

namespace cuda_on_cpu {

void* new_stack(void* stack, std::size_t bytes, void (*body)()) {
  // Six registers, the address to return to, and a word that keeps the stack aligned as after a call.
  auto* const top = reinterpret_cast<std::uintptr_t*>(static_cast<unsigned char*>(stack) + bytes) - 8;
  for (int i = 0; i < 8; ++i) top[i] = 0;
  top[6] = reinterpret_cast<std::uintptr_t>(body);
  return top;
}

void switch_stack(void** here, void* there) { cuda_on_cpu_switch_stack(here, there); }

}  // namespace cuda_on_cpu
