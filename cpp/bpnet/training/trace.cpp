#include "bpnet/training/trace.h"

#include "bpnet/core/error.h"
#include "bpnet/network/chain.h"
#include "bpnet/training/dataset.h"

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
  network.reserve(1);
  network.reserve_scratch(kernels.loss_workspace(1, network.output_shape().count()));
  Context& context = network.context();
  const auto weight = [&](const ChainLink& link) {
    return network.parameter_data() + network.plan().parameters[*link.parameter].offset;
  };
  const auto bias = [&](const ChainLink& link) {
    return link.bias ? network.parameter_data() + network.plan().parameters[*link.parameter + 1].offset
                     : nullptr;
  };
  const std::size_t depth = chain.links.size();
  Trace<T> t;
  t.s.resize(depth + 1);
  t.x.resize(depth + 1);
  t.delta.resize(depth + 1);
  t.grad.resize(depth + 1);
  t.x[0].assign(x, x + network.input_shape().count());

  for (std::size_t l = 1; l <= depth; ++l) {
    const ChainLink& link = chain.links[l - 1];
    t.s[l].resize(link.out);
    t.x[l].resize(link.out);
    kernels.linear_forward(context, {1, link.in, link.out}, t.x[l - 1].data(), weight(link), bias(link),
                           {ActivationKind::kIdentity, 0}, t.s[l].data());
    kernels.activation_forward(context, link.activation, link.out, t.s[l].data(), t.x[l].data());
  }

  const std::vector<double>& weights = loss_class_weight(loss);
  const std::vector<T> class_weight(weights.begin(), weights.end());
  const T weight_of_class = label && !class_weight.empty() ? class_weight[std::size_t(*label)] : T(1);
  const T scale = weight_of_class > 0 ? T(1) / weight_of_class : T(0);
  t.delta[depth].resize(t.x[depth].size());
  const LossArgs<T> args{loss_kind(loss),
                         loss_parameter(loss),
                         1,
                         t.x[depth].size(),
                         t.x[depth].data(),
                         target,
                         label,
                         class_weight.empty() ? nullptr : class_weight.data(),
                         &scale,
                         t.delta[depth].data()};
  t.e = kernels.loss(context, args);

  for (std::size_t l = depth; l >= 1; --l) {
    const ChainLink& link = chain.links[l - 1];
    T* delta = t.delta[l].data();
    kernels.activation_backward(context, link.activation, link.out, t.s[l].data(), t.x[l].data(), delta,
                                delta);
    t.grad[l].resize((link.in + 1) * link.out);
    for (std::size_t j = 0; j < link.out; ++j) {
      t.grad[l][j] = delta[j];  // x_0 = 1
      for (std::size_t i = 0; i < link.in; ++i) t.grad[l][(i + 1) * link.out + j] = t.x[l - 1][i] * delta[j];
    }
    if (l > 1) {
      t.delta[l - 1].resize(link.in);
      kernels.linear_backward_input(context, {1, link.in, link.out}, delta, weight(link),
                                    t.delta[l - 1].data());
    }
  }
  return t;
}

template Trace<float> trace<float>(BasicNetwork<float>&, const Loss&, const float*, const float*,
                                   const std::int64_t*);
template Trace<double> trace<double>(BasicNetwork<double>&, const Loss&, const double*, const double*,
                                     const std::int64_t*);

}  // namespace bpnet
