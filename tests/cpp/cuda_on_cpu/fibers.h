// A waiting thread of a kernel keeps its stack; another fiber then runs the others.
#pragma once

#include <cstddef>

namespace cuda_on_cpu {

class Fiber {
 public:
  Fiber() = default;               // the stack of the processor's thread
  explicit Fiber(void (*body)());  // body() never returns, and the fiber is never destroyed
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Called on this fiber, which stops until another switches to it.
  void switch_to(Fiber& other);

 private:
  static void begin();
  static void arrived();

  void* stack_pointer_ = nullptr;
  void* kept_ = nullptr;  // the sanitizer's
  const void* stack_ = nullptr;
  std::size_t bytes_ = 0;
  void (*body_)() = nullptr;
};

}  // namespace cuda_on_cpu
