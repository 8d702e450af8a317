#include "garbage.h"

#include <cstdint>
#include <cstring>

namespace cuda_on_cpu {
namespace {

// By the address's parity: 0x7FFB… in each pair of bytes.
unsigned char canary_at(std::uintptr_t address) { return address % 2 ? 0x7F : 0xFB; }

}  // namespace

void fill_garbage(void* memory, std::size_t bytes) { std::memset(memory, 0xFF, bytes); }

void fill_canary(void* memory, std::size_t bytes) {
  auto* const at = static_cast<unsigned char*>(memory);
  for (std::size_t i = 0; i < bytes; ++i) at[i] = canary_at(reinterpret_cast<std::uintptr_t>(at + i));
}

std::size_t first_changed(const void* memory, std::size_t bytes) {
  const auto* const at = static_cast<const unsigned char*>(memory);
  for (std::size_t i = 0; i < bytes; ++i) {
    if (at[i] != canary_at(reinterpret_cast<std::uintptr_t>(at + i))) return i;
  }
  return bytes;
}

}  // namespace cuda_on_cpu
