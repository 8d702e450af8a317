#include <cpuid.h>

#include <cstdint>

#include "bpnet/kernels/processor.h"
#include "bpnet/kernels/tile_permission.h"

namespace bpnet {
namespace {

struct Registers {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf = 0) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

constexpr bool has(unsigned word, int bit) { return (word >> bit & 1) != 0; }

// The registers that the operating system saves on a task switch; instructions alone are not enough.
std::uint64_t saved_registers() {
  if (!has(cpuid(1).ecx, 27)) return 0;  // OSXSAVE
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return std::uint64_t{high} << 32 | low;
}

}  // namespace

bool processor_has_avx2() {
  const bool fma = has(cpuid(1).ecx, 12);
  const bool avx2 = has(cpuid(7).ebx, 5);
  return fma && avx2 && (saved_registers() & 0x6) == 0x6;
}

bool processor_has_avx512() {
  const unsigned ebx = cpuid(7).ebx;
  const bool instructions = has(ebx, 16) && has(ebx, 17) && has(ebx, 30) && has(ebx, 31);
  return processor_has_avx2() && instructions && (saved_registers() & 0xE6) == 0xE6;
}

bool processor_has_avx512_bf16() { return processor_has_avx512() && has(cpuid(7, 1).eax, 5); }

bool processor_has_amx() {
  const unsigned edx = cpuid(7).edx;
  const bool instructions = has(edx, 24) && has(edx, 22);  // AMX-TILE, AMX-BF16
  const bool saved = (saved_registers() & 0x60000) == 0x60000;
  return processor_has_avx512_bf16() && instructions && saved && tiles_permitted();
}

}  // namespace bpnet
