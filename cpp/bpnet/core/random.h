// Philox4x32-10: random numbers as a pure function of a key and a counter, so that every thread
// count draws the same ones (Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as
// 1, 2, 3", SC 2011).
//
// Everything here is `static`: per-ISA objects include it and must not share a copy with others; and
// constexpr: a GPU's kernels call it too.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace bpnet {

// The purpose of a stream of numbers; part of the counter, so that no two purposes share numbers.
enum class Purpose : uint32_t { kInit = 1, kShuffle = 2, kDraw = 3, kDropout = 4, kSplit = 5, kAugment = 6 };

struct RandomKey {
  uint64_t seed = 0;
  uint32_t purpose = 0;  // a Purpose in the low 8 bits, a layer's or tensor's index above them
  uint32_t step = 0;
};

static constexpr RandomKey random_key(uint64_t seed, Purpose purpose, uint32_t index, uint64_t step) {
  return {seed, static_cast<uint32_t>(purpose) | index << 8, static_cast<uint32_t>(step)};
}

struct RandomBlock {
  uint32_t word[4];
};

// Four words for the block-th block of `sample` under `key`.
static constexpr RandomBlock random_block(RandomKey key, uint32_t sample, uint32_t block) {
  uint32_t c0 = block, c1 = sample, c2 = key.step, c3 = key.purpose;
  uint32_t k0 = static_cast<uint32_t>(key.seed), k1 = static_cast<uint32_t>(key.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c0;
    const uint64_t p1 = uint64_t{0xCD9E8D57} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return {{c0, c1, c2, c3}};
}

// A 64-bit word for `index` under `key`.
static constexpr uint64_t random_word(RandomKey key, uint64_t index) {
  const RandomBlock b = random_block(key, static_cast<uint32_t>(index >> 32), static_cast<uint32_t>(index));
  return uint64_t{b.word[0]} << 32 | b.word[1];
}

// Uniform in (0, 1): 53 bits, never 0 nor 1.
static constexpr double random_unit(RandomKey key, uint64_t index) {
  return (static_cast<double>(random_word(key, index) >> 11) + 0.5) * 0x1p-53;
}

// Uniform in 0 … bound−1. The bias of the multiplication is below bound / 2^64. (Lemire 2019.)
static constexpr uint64_t random_below(RandomKey key, uint64_t index, uint64_t bound) {
  const uint64_t r = random_word(key, index);
  const uint64_t low = (r & 0xFFFFFFFF) * (bound & 0xFFFFFFFF);
  const uint64_t mid1 = (r >> 32) * (bound & 0xFFFFFFFF) + (low >> 32);
  const uint64_t mid2 = (r & 0xFFFFFFFF) * (bound >> 32) + (mid1 & 0xFFFFFFFF);
  return (r >> 32) * (bound >> 32) + (mid1 >> 32) + (mid2 >> 32);
}

}  // namespace bpnet
