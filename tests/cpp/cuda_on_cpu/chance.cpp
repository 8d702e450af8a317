#include "chance.h"

#include "settings.h"

namespace cuda_on_cpu {

// Marsaglia, Xorshift RNGs, Journal of Statistical Software 8 (2003): the form with a product, called
// xorshift64*.
std::uint32_t chance(std::uint32_t below) {
  static std::uint64_t state = setting("BPNET_CUDA_ON_CPU_SEED", 1) * 0x9E3779B97F4A7C15u | 1;
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  const auto high = static_cast<std::uint32_t>(state * 0x2545F4914F6CDD1Du >> 32);
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(high) * below >> 32);
}

}  // namespace cuda_on_cpu
