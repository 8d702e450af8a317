#include "bpnet/training/online.h"

#include <algorithm>
#include <numeric>

namespace bpnet {
namespace {

// The kernel is called for about this many multiply-adds at a time: some tens of milliseconds, after which a
// caller may interrupt.
constexpr std::size_t kProducts = std::size_t{1} << 25;
constexpr std::size_t kMostSamples = std::size_t{1} << 16;
// A multiple of every block length that a backend chooses.
constexpr std::size_t kDefaultBlocks = 64;

bool is_plain(const UpdateArgs& rule) { return rule.kind == UpdateKind::kSgd && rule.sgd.momentum == 0; }

double rate_at(const UpdateArgs& args, double lr) { return args.scheduled ? args.rate * lr : args.rate; }

}  // namespace

template <class T>
OnlineLoop<T>::OnlineLoop(BasicNetwork<T>& network, const Loss& loss, const Optimizer& optimizer,
                          const Chain& chain)
    : network_(&network),
      loss_kind_(loss_kind(loss)),
      loss_parameter_(loss_parameter(loss)),
      links_(chain.links),
      obstacle_(chain.obstacle),
      order_(network.memory()) {
  set_optimizer(optimizer);
  if (obstacle_.empty() && links_.empty()) obstacle_ = "it has no such layer";
  takes_ =
      obstacle_.empty() && !chain.frozen && !clipping(optimizer) && !std::holds_alternative<CustomLoss>(loss);
}

template <class T>
void OnlineLoop<T>::set_optimizer(const Optimizer& optimizer) {
  rule_ = update_args(optimizer, {0, true, true});
}

// Optimizers other than plain SGD have no blocks, and take several times as long per weight.
template <class T>
std::size_t OnlineLoop<T>::samples(std::size_t position, std::size_t block) const {
  const bool plain = is_plain(rule_);
  const std::size_t length = !plain ? 1 : block ? block : kDefaultBlocks;
  const std::size_t products = plain ? kProducts : kProducts / 8;
  const std::size_t wanted = products / std::max<std::size_t>(1, network_->parameter_count());
  const std::size_t most = std::clamp<std::size_t>(wanted / length, 1, kMostSamples / length + 1) * length;
  return most - position % most;
}

template <class T>
void OnlineLoop<T>::set_layers(double lr, Update<T>& update) {
  const Plan<T>& plan = network_->plan();
  layers_.clear();
  for (const ChainLink& link : links_) {
    OnlineLayer<T> layer{};
    layer.in = link.in;
    layer.out = link.out;
    layer.activation = link.activation;
    if (link.parameter) {
      const std::size_t weight = *link.parameter, bias = weight + 1;
      const UpdateArgs args = update.args_of(weight);
      layer.weight = network_->parameter_data(Writes::kBeforeNextCall) + plan.parameters[weight].offset;
      layer.weight_rate = rate_at(args, lr);
      layer.weight_decay = weight_decay(args);
      layer.weight_frozen = args.rate == 0;
      update.set_slots(plan.parameters[weight].offset, layer.weight_slots);
      if (link.bias) {
        const UpdateArgs bias_args = update.args_of(bias);
        layer.bias = network_->parameter_data(Writes::kBeforeNextCall) + plan.parameters[bias].offset;
        layer.bias_rate = rate_at(bias_args, lr);
        layer.bias_decay = weight_decay(bias_args);
        layer.bias_frozen = bias_args.rate == 0;
        update.set_slots(plan.parameters[bias].offset, layer.bias_slots);
      }
    }
    layers_.push_back(layer);
  }
}

template <class T>
const std::uint64_t* OnlineLoop<T>::count_up(std::size_t count) {
  if (count > counted_) {
    std::vector<std::uint64_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), 0);
    order_.reserve(count * sizeof(std::uint64_t));
    write_to(network_->memory(), order_.at<std::uint64_t>(0), numbers.data(), count);
    counted_ = count;
  }
  return order_.at<std::uint64_t>(0);
}

template <class T>
void OnlineLoop<T>::run(const OrderedData<T>& samples, std::size_t first, std::size_t count,
                        std::size_t block, std::uint64_t step, double lr, BatchSource<T>& source,
                        BatchLoss<T>& loss, Update<T>& update) {
  set_layers(lr, update);
  const DatasetView<T>& data = samples.copy ? *samples.copy : samples.data;
  const std::uint64_t* const order = samples.copy ? samples.order_there : samples.order;
  OnlineArgs<T> args{layers_.data(),
                     layers_.size(),
                     loss_kind_,
                     loss_parameter_,
                     loss.class_weight(),
                     static_cast<const T*>(data.x),
                     data.targets,
                     data.labels,
                     data.sample_weight,
                     order + first,
                     count,
                     block,
                     rule_,
                     step,
                     loss.sums()};
  if (!source.reads(samples)) {
    source.reserve(count);
    const Batch<T> batch = source.gather(samples, first, count);
    args.x = batch.x;
    args.target = batch.targets;
    args.label = batch.labels;
    args.sample_weight = batch.sample_weight;
    args.order = count_up(count);
  }
  network_->reserve_scratch(network_->kernels().online_workspace(args));
  network_->kernels().online_sgd(network_->context(), args);
}

template class OnlineLoop<float>;
template class OnlineLoop<double>;

}  // namespace bpnet
