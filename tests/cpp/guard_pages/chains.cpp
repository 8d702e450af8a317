// Whole trainings: chains in the kernels for a batch or an epoch, layer by layer where these do not apply,
// every loss and optimizer, evaluation between the steps.
#include <algorithm>

#include "sweep.h"

namespace sweep {
namespace {

std::vector<bpnet::Optimizer> optimizers() {
  return {bpnet::Sgd{},  bpnet::Sgd{.momentum = 0.9, .weight_decay = 1e-3},
          bpnet::Adam{}, bpnet::AdamW{.clip_value = 0.1, .clip_norm = 0.5},
          bpnet::Sgd{},  bpnet::RmsProp{.momentum = 0.5, .clip_norm = 0.1}};
}

std::vector<bpnet::Loss> losses() {
  return {bpnet::HalfSquaredError{},
          bpnet::CrossEntropy{},
          bpnet::Mse{},
          bpnet::Mae{},
          bpnet::Huber{},
          bpnet::CrossEntropy{.label_smoothing = 0.1},
          bpnet::BinaryCrossEntropyWithLogits{},
          bpnet::BinaryCrossEntropyWithLogits{.mean_of_outputs = false}};
}

std::vector<bpnet::LayerSpec> chain(Numbers& n, std::size_t depth, std::size_t widest, std::size_t outputs) {
  const std::vector<bpnet::LayerSpec> activations{bpnet::tanh(), bpnet::relu(), bpnet::gelu(),
                                                  bpnet::sigmoid()};
  std::vector<bpnet::LayerSpec> layers;
  for (std::size_t l = 0; l + 1 < depth; ++l) {
    layers.push_back(bpnet::linear(1 + n.below(widest), {.bias = n.below(4) != 0}));
    layers.push_back(activations[n.below(activations.size())]);
  }
  layers.push_back(bpnet::linear(outputs));
  return layers;
}

template <class T>
struct Data {
  Data(std::size_t count_, std::size_t features_, std::size_t outputs_, const bpnet::Loss& loss, Numbers& n)
      : x(count_ * features_, n), targets(count_ * outputs_, n), weight(count_, n) {
    view = {.x = x.data(), .features = features_, .count = count_, .outputs = outputs_};
    if (std::holds_alternative<bpnet::CrossEntropy>(loss)) {
      for (std::size_t r = 0; r < count_; ++r) labels.push_back(static_cast<std::int64_t>(n.below(outputs_)));
      view.labels = labels.data();
    } else {
      for (std::size_t i = 0; i < count_ * outputs_; ++i) targets.data()[i] = T(n.below(2));
      view.targets = targets.data();
    }
    for (std::size_t r = 0; r < count_; ++r) weight.data()[r] = T(1 + n.below(3));
    if (n.below(2)) view.sample_weight = weight.data();
  }
  Array<T> x, targets, weight;
  std::vector<std::int64_t> labels;
  bpnet::DatasetView<T> view;
};

template <class T>
void steps(bpnet::BasicTrainer<T>& trainer, const bpnet::DatasetView<T>& data, Numbers& n) {
  trainer.reserve(data.count);
  const std::uint64_t taken = bpnet::arena_allocations();
  const T* x = static_cast<const T*>(data.x);
  for (const std::size_t count : batches(data.count, n)) {
    if (data.labels) trainer.step_unchecked(x, data.labels, count, data.sample_weight);
    else trainer.step_unchecked(x, data.targets, count, data.sample_weight);
  }
  if (bpnet::arena_allocations() != taken)
    bpnet::fail<bpnet::ValueError>("a step within the reserve took memory");
}

template <class T>
void train(const bpnet::Where& where, Numbers& n, std::size_t widest, std::size_t samples) {
  const auto all = optimizers();
  const auto kinds = losses();
  const bpnet::Loss loss = kinds[n.below(kinds.size())];
  const std::size_t features = 1 + n.below(widest), outputs = 1 + n.below(12), count = 1 + n.below(samples);
  bpnet::BasicNetwork<T> network({features}, chain(n, 1 + n.below(4), widest, outputs), {1, where});
  bpnet::BasicTrainer<T> trainer(network, loss, all[n.below(all.size())]);
  const Data<T> data(count, features, outputs, loss, n);
  const bpnet::Dataset<T> rows(data.view);
  steps(trainer, data.view, n);
  trainer.begin_epoch();
  for (const std::size_t batch : {std::size_t{1}, std::size_t{1} + n.below(64), count, std::size_t{1}}) {
    const std::size_t blocks[] = {0, 1, 7, 64, bpnet::kMostOnlineBlock};
    try {
      trainer.run(rows, {.batch_size = batch, .online_block = blocks[n.below(5)]});
      trainer.end_epoch(trainer.epoch_result(count).loss);
    } catch (const bpnet::NumericError&) {  // it may well diverge
      trainer.begin_epoch();
    }
    const std::size_t begin = n.below(count);
    bpnet::evaluate(network, loss, rows, begin, begin + 1 + n.below(count - begin));
  }
}

}  // namespace

std::size_t sweep_chains(const Extent& extent) {
  Numbers numbers;
  std::size_t count = 0;
  for (const Target& target : targets()) {
    const bool slow = target.slow;
    for (std::size_t i = 0; i < extent.pick(40, 1500) / (slow ? 5 : 1); ++i, ++count) {
      const std::size_t widest = i % 3 == 0 ? 8 : i % 3 == 1 ? 70 : slow ? 40 : 400;
      if (i % 4 == 3 && !target.in_float) train<double>(target.where, numbers, widest, slow ? 40 : 300);
      else train<float>(target.where, numbers, widest, slow ? 40 : 300);
    }
  }
  return count;
}

}  // namespace sweep
