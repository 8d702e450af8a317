#pragma once

#include <cstddef>

// A function of kernels/cpu over an array, as one instruction set has it.
template <class T>
struct Function {
  const char* name;
  void (*apply)(std::size_t count, const T* x, T* y);
};

template <class T>
struct Functions {
  const Function<T>* begin;
  std::size_t count;
};
