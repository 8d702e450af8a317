// Shared by the parts of the sweep. Arrays that a caller would own are arenas too.
#pragma once

#include <bpnet/bpnet.h>
#include <bpnet/core/memory/arena.h>

#include <cstdint>
#include <random>
#include <vector>

namespace sweep {

// The extent of the sweep.
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
  std::mt19937 generator_{5};  // the same numbers in every standard library
};

// An array of exactly `count` numbers between −1 and 1, followed by an inaccessible page.
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

// Batch sizes up to `most`: ascending, descending, then random.
std::vector<std::size_t> batches(std::size_t most, Numbers& numbers);

// Every backend, with its precision.
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

// Each returns the number of networks, chains or sizes that it tested.
std::size_t sweep_layers(const Extent& extent);
std::size_t sweep_chains(const Extent& extent);
std::size_t sweep_workspaces(const Extent& extent);

}  // namespace sweep
