#include "garbage.h"

#include <cstdint>
#include <cstring>

namespace cuda_on_cpu {
namespace {

// By the address: 0x7FFB in each pair of bytes.
constexpr std::uint16_t kCanary = 0x7FFB;

unsigned char canary_at(const unsigned char* address) {
  return reinterpret_cast<std::uintptr_t>(address) % 2 ? kCanary >> 8 : kCanary & 0xFF;
}

}  // namespace

void fill_garbage(void* memory, std::size_t bytes) { std::memset(memory, 0xFF, bytes); }

void fill_canary(void* memory, std::size_t bytes) {
  auto* const at = static_cast<unsigned char*>(memory);
  for (std::size_t i = 0; i < bytes; ++i) at[i] = canary_at(at + i);
}

std::size_t first_changed(const void* memory, std::size_t bytes) {
  const auto* const at = static_cast<const unsigned char*>(memory);
  // Bytes that equal the bytes two before them are the canary's if the first two are.
  if (bytes > 2 && at[0] == canary_at(at) && at[1] == canary_at(at + 1) &&
      std::memcmp(at, at + 2, bytes - 2) == 0) {
    return bytes;
  }
  for (std::size_t i = 0; i < bytes; ++i) {
    if (at[i] != canary_at(at + i)) return i;
  }
  return bytes;
}

}  // namespace cuda_on_cpu
