#include "fibers.h"

#include <sys/mman.h>

#include "death.h"
#include "sanitizer.h"
#include "stack_switch.h"

namespace cuda_on_cpu {
namespace {

constexpr std::size_t kStack = 256 * 1024, kGuard = 16 * 1024;  // sanitized frames are large

Fiber *left = nullptr, *entered = nullptr;  // of the last switch

}  // namespace

Fiber::Fiber(void (*body)()) : bytes_(kStack), body_(body) {
  void* const pages = mmap(nullptr, kGuard + kStack, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) die("there is no memory for a thread's stack");
  unsigned char* const stack = static_cast<unsigned char*>(pages) + kGuard;
  if (mprotect(stack, kStack, PROT_READ | PROT_WRITE) != 0) die("there is no memory for a thread's stack");
  stack_ = stack;
  stack_pointer_ = new_stack(stack, kStack, begin);
}

void Fiber::arrived() { enter_stack(entered->kept_, &left->stack_, &left->bytes_); }

void Fiber::begin() {
  arrived();
  entered->body_();
}

void Fiber::switch_to(Fiber& other) {
  left = this;
  entered = &other;
  leave_stack(&kept_, other.stack_, other.bytes_);
  switch_stack(&stack_pointer_, other.stack_pointer_);
  arrived();
}

}  // namespace cuda_on_cpu
