// Accesses of the host to an array of the backend between two kernels.
#pragma once

#include <cstddef>
#include <vector>

namespace cases {

enum class Way { kRead, kWrite, kCopy };
extern Way way;

// Reads or writes the array's first byte, which should end the process; or reads it by a copy, and ends the
// process with 0 where `count` bytes are those of `expected`.
[[noreturn]] void touch(const void* array, const void* expected, std::size_t bytes);

template <class U>
[[noreturn]] void touch(const U* array, const std::vector<U>& expected) {
  touch(array, expected.data(), expected.size() * sizeof(U));
}

// The n-th array that a kernel gets under this name is accessed before the kernel runs.
void touch_given(const char* kernel, const char* what, std::vector<unsigned char> expected, int n = 1,
                 std::size_t offset = 0);

template <class U>
void touch_given(const char* kernel, const char* what, const std::vector<U>& expected, int n = 1,
                 std::size_t offset = 0) {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(expected.data());
  touch_given(kernel, what, std::vector<unsigned char>(bytes, bytes + expected.size() * sizeof(U)), n,
              offset);
}

}  // namespace cases
