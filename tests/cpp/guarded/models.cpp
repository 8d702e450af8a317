#include "models.h"

#include <random>

namespace cases {

bpnet::Network images(const std::string& backend) {
  using namespace bpnet;
  return Network({2, 6, 6},
                 {conv2d(4, {.kernel_size = 3}), batch_norm2d(), relu(), flatten(), dropout(0.3), linear(3)},
                 {kSeed, {backend}});
}

template <class T>
bpnet::BasicNetwork<T> dense(const std::string& backend) {
  return {{5}, {bpnet::linear(4), bpnet::tanh(), bpnet::linear(kOutputs)}, {kSeed, {backend}}};
}

template <class T>
Samples<T>::Samples(std::size_t features_) : features(features_) {
  std::mt19937 numbers(3);
  const auto fill = [&](std::vector<T>& values, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) values.push_back(T(int(numbers() % 255) - 127) / 128);
  };
  fill(x, kRows * features);
  fill(targets, kRows * kOutputs);
  for (std::size_t r = 0; r < kRows; ++r) {
    weight.push_back(r % kBatch == 1 ? 2 : r % kBatch == 2 ? 4 : 1);
    labels.push_back(std::int64_t(2 - r % kOutputs));
  }
}

template <class T>
bpnet::DatasetView<T> Samples<T>::labelled() const {
  return {.x = x.data(),
          .features = features,
          .count = kRows,
          .outputs = kOutputs,
          .labels = labels.data(),
          .sample_weight = weight.data()};
}

template <class T>
bpnet::DatasetView<T> Samples<T>::targeted() const {
  return {
      .x = x.data(), .features = features, .count = kRows, .outputs = kOutputs, .targets = targets.data()};
}

template bpnet::BasicNetwork<float> dense<float>(const std::string&);
template bpnet::BasicNetwork<double> dense<double>(const std::string&);
template struct Samples<float>;
template struct Samples<double>;

}  // namespace cases
