// The networks and data of the cases, on the guarded backend and, where a case needs the expected numbers, on
// the reference.
#pragma once

#include <bpnet/bpnet.h>

#include <cstdint>
#include <vector>

namespace cases {

constexpr const char* kGuarded = "guarded";
constexpr const char* kReference = "reference";
constexpr std::size_t kRows = 10, kBatch = 4, kOutputs = 3;

// Convolution, BatchNorm, dropout, on (2, 6, 6); or two linear layers on (5,).
bpnet::Network images(const std::string& backend);
template <class T>
bpnet::BasicNetwork<T> dense(const std::string& backend);

// kRows samples. Weights of samples and classes are powers of 2: those of the first batch are 16 in all.
template <class T>
struct Samples {
  explicit Samples(std::size_t features_);
  bpnet::DatasetView<T> labelled() const;
  bpnet::DatasetView<T> targeted() const;

  std::size_t features;
  std::vector<T> x, targets, weight;
  std::vector<std::int64_t> labels;
};

inline const std::vector<double> kClassWeight{2, 2, 2};
inline const bpnet::Loss kLabelled = bpnet::CrossEntropy{.class_weight = kClassWeight};
inline const bpnet::Optimizer kAdam = bpnet::Adam{.lr = 0.125};
constexpr std::uint64_t kSeed = 7;

extern template struct Samples<float>;
extern template struct Samples<double>;

}  // namespace cases
