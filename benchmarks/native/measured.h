// What the kernel programs share: one kernel to measure, memory, scratch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bpnet/core/memory/arena.h"
#include "bpnet/kernels/dispatch.h"

struct Measured {
  std::string name;
  std::size_t
      memory;   // bytes of its arrays: compared with the rate of copying so many; 0: with multiply-adds
  double work;  // operations, or bytes read and written, of one run
  std::function<void()> run;
};

// Memory that stays until the end, filled with small numbers.
inline float* numbers(std::size_t count) {
  static std::vector<bpnet::Arena> arenas;
  arenas.emplace_back().reserve(count * sizeof(float));
  float* data = arenas.back().at<float>(0);
  for (std::size_t i = 0; i < count; ++i) data[i] = float(i * 2654435761u >> 8 & 0xffff) / 65536.0f - 0.5f;
  return data;
}

inline bpnet::Context context(std::size_t bytes) {
  static bpnet::Arena scratch;
  if (bytes > scratch.size()) scratch.reserve(std::max(bytes, std::size_t{1} << 26));
  return {scratch.data(), scratch.size()};
}

// Every layer of AlexNet ("paper") for a batch of n images.
std::vector<Measured> alexnet_layers(const bpnet::Kernels<float>& kernels, std::size_t n);
