// Values of up to 8 bytes as numbers of 64 bits.
#pragma once

#include <cstdint>
#include <cstring>

namespace cuda_on_cpu {

template <class T>
std::uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= 8, "at most 8 bytes are shuffled at once");
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}
template <class T>
T from_bits(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace cuda_on_cpu
