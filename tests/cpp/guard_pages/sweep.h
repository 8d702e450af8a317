// What the parts of the sweep share. Arrays that a caller would own are arenas too.
#pragma once

#include <bpnet/bpnet.h>
#include <bpnet/core/memory/arena.h>

#include <cstdint>
#include <random>
#include <vector>

namespace sweep {

// How much is swept.
struct Extent {
  bool whole;  // or the short form

  std::size_t pick(std::size_t in_short, std::size_t in_whole) const { return whole ? in_whole : in_short; }
};

class Numbers {
 public:
  std::size_t below(std::size_t bound) { return generator_() % bound; }
  template <class T>
  T real() {
    return static_cast<T>(static_cast<float>(generator_()) * 0x1p-31f - 1);
  }

 private:
  std::mt19937 generator_{5};  // whose numbers are the same in every standard library
};

// An array of exactly `count` numbers between −1 and 1, behind which nobody may touch.
template <class T>
class Array {
 public:
  Array(std::size_t count, Numbers& numbers) {
    memory_.reserve(count * sizeof(T));
    // An arena's size is a multiple of a cache line: the array is put at its end.
    first_ = memory_.at<T>(bpnet::align_up(count * sizeof(T)) - count * sizeof(T));
    for (std::size_t i = 0; i < count; ++i) first_[i] = numbers.real<T>();
  }
  T* data() { return first_; }

 private:
  bpnet::Arena memory_;
  T* first_;
};

// Batches within `most`: rising, falling, then in no order.
std::vector<std::size_t> batches(std::size_t most, Numbers& numbers);

// Every backend, with the precision that it is for.
struct Target {
  bpnet::Where where;
  bool slow;      // the reference, and models of instructions
  bool in_float;  // and not in double

  Target(const std::string& backend, bpnet::Precision precision)
      : where{.backend = backend, .precision = precision},
        slow(backend == "reference" || bpnet::find_backend(where).model),
        in_float(precision == bpnet::Precision::kBfloat16) {}
};
inline std::vector<Target> targets() {
  std::vector<Target> all;
  for (const bpnet::Precision precision : {bpnet::Precision::kFull, bpnet::Precision::kBfloat16}) {
    for (const std::string& backend : bpnet::backends(precision)) all.emplace_back(backend, precision);
  }
  return all;
}

// Each gives the number of networks, chains or sizes that it went through.
std::size_t sweep_layers(const Extent& extent);
std::size_t sweep_chains(const Extent& extent);
std::size_t sweep_workspaces(const Extent& extent);

}  // namespace sweep
