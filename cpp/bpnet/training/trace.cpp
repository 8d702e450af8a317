#include "bpnet/training/trace.h"

#include "bpnet/core/error.h"
#include "bpnet/network/chain.h"
#include "bpnet/training/batch_loss.h"

namespace bpnet {
namespace {

template <class T>
Chain lecture_chain(const BasicNetwork<T>& network) {
  Chain chain = make_chain(network);
  if (chain.has_views) chain.obstacle = "there is a Flatten";
  for (const ChainLink& link : chain.links) {
    if (!link.parameter) chain.obstacle = "an activation does not follow a Linear layer";
  }
  if (!chain.obstacle.empty()) {
    fail<ValueError>("trace: the lecture knows Linear layers, each followed by at most one activation; ",
                     chain.obstacle);
  }
  return chain;
}

// s, x and δ of each layer, in the backend's memory.
template <class T>
class TraceArrays {
 public:
  TraceArrays(const Memory& memory, const Chain& chain) : arena_(memory) {
    std::size_t bytes = 0;
    for (const ChainLink& link : chain.links) {
      offsets_.push_back(bytes);
      stride_.push_back(align_up(link.out * sizeof(T)));
      bytes += 3 * stride_.back();
    }
    arena_.reserve(bytes);
  }

  T* s(std::size_t layer) { return at(layer, 0); }  // layers count from 1
  T* x(std::size_t layer) { return at(layer, 1); }
  T* delta(std::size_t layer) { return at(layer, 2); }

 private:
  T* at(std::size_t layer, std::size_t which) {
    return arena_.at<T>(offsets_[layer - 1] + which * stride_[layer - 1]);
  }

  Arena arena_;
  std::vector<std::size_t> offsets_, stride_;  // bytes
};

}  // namespace

template <class T>
Trace<T> trace(BasicNetwork<T>& network, const Loss& loss, const T* x, const T* target,
               const std::int64_t* label) {
  const Chain chain = lecture_chain(network);
  check_loss(loss, network);
  const DatasetView<T> sample{.x = x,
                              .features = network.input_shape().count(),
                              .count = 1,
                              .outputs = network.output_shape().count(),
                              .targets = target,
                              .labels = label};
  check_data("trace", sample, loss, network);
  if (label && (*label < 0 || static_cast<std::size_t>(*label) >= sample.outputs)) {
    fail<ValueError>("trace: the label is ", *label, ", the network has classes 0 to ", sample.outputs - 1);
  }
  const Kernels<T>& kernels = network.kernels();
  const Memory& memory = network.memory();
  network.reserve(1);
  BatchSource<T> source(network);
  BatchLoss<T> batch_loss(network, loss);
  source.reserve(1);
  batch_loss.reserve(1);
  const Batch<T> batch = source.rows(sample, nullptr, 0, 1);
  const auto parameter = [&](std::size_t index) {
    return network.parameter_data(Writes::kNever) + network.plan().parameters[index].offset;
  };
  const std::size_t depth = chain.links.size();
  Trace<T> t;
  t.s.resize(depth + 1);
  t.x.resize(depth + 1);
  t.delta.resize(depth + 1);
  t.grad.resize(depth + 1);

  TraceArrays<T> arrays(memory, chain);
  Context& context = network.context();
  const T* input = batch.x;
  for (std::size_t l = 1; l <= depth; ++l) {
    const ChainLink& link = chain.links[l - 1];
    const T* bias = link.bias ? parameter(*link.parameter + 1) : nullptr;
    kernels.linear_forward(context, {1, link.in, link.out}, input, parameter(*link.parameter), bias,
                           {ActivationKind::kIdentity, 0}, arrays.s(l));
    kernels.activation_forward(context, link.activation, link.out, arrays.s(l), arrays.x(l));
    input = arrays.x(l);
  }
  batch_loss.weigh(batch);
  batch_loss.scale_to_mean(batch);
  batch_loss.run(batch, batch_loss.args(batch, arrays.x(depth), arrays.delta(depth)), Tally::kTraining);
  t.e = batch_loss.read().batch_loss;
  for (std::size_t l = depth; l >= 1; --l) {
    const ChainLink& link = chain.links[l - 1];
    kernels.activation_backward(context, link.activation, link.out, arrays.s(l), arrays.x(l), arrays.delta(l),
                                arrays.delta(l));
    if (l == 1) break;
    kernels.linear_backward_input(context, {1, link.in, link.out}, arrays.delta(l),
                                  parameter(*link.parameter), arrays.delta(l - 1));
  }

  t.x[0].assign(x, x + network.input_shape().count());
  for (std::size_t l = 1; l <= depth; ++l) {
    const ChainLink& link = chain.links[l - 1];
    const auto read = [&](std::vector<T>& to, const T* from) {
      to.resize(link.out);
      read_from(memory, to.data(), from, link.out);
    };
    read(t.s[l], arrays.s(l));
    read(t.x[l], arrays.x(l));
    read(t.delta[l], arrays.delta(l));
    t.grad[l].resize((link.in + 1) * link.out);
    for (std::size_t j = 0; j < link.out; ++j) {
      t.grad[l][j] = t.delta[l][j];  // x_0 = 1
      for (std::size_t i = 0; i < link.in; ++i) {
        t.grad[l][(i + 1) * link.out + j] = t.x[l - 1][i] * t.delta[l][j];
      }
    }
  }
  return t;
}

template Trace<float> trace<float>(BasicNetwork<float>&, const Loss&, const float*, const float*,
                                   const std::int64_t*);
template Trace<double> trace<double>(BasicNetwork<double>&, const Loss&, const double*, const double*,
                                     const std::int64_t*);

}  // namespace bpnet
