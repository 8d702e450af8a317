#include "bpnet/training/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "bpnet/core/error.h"
#include "bpnet/core/threads/parallel.h"
#include "bpnet/training/metrics.h"
#include "bpnet/training/order.h"

namespace bpnet {

// The online kernel is entered for about this many multiply-adds at a time: some tens of milliseconds,
// so that a caller who wants to stop is heard.
constexpr std::size_t kOnlineProducts = std::size_t{1} << 25;
constexpr std::size_t kMostDraws = std::size_t{1} << 16;
// A multiple of every block length that a backend chooses.
constexpr std::size_t kDefaultBlocks = 64;

template <class T>
BasicTrainer<T>::BasicTrainer(BasicNetwork<T>& network, Loss loss, Optimizer optimizer,
                              TrainerOptions options)
    : network_(&network),
      loss_(std::move(loss)),
      optimizer_(std::move(optimizer)),
      options_(std::move(options)),
      chain_(make_chain(network)),
      chain_batch_(network, chain_),
      slot_names_(optimizer_slots(optimizer_)) {
  check_loss(loss_, network);
  check_optimizer(optimizer_);
  check_schedule(options_.schedule);
  const std::vector<double>& weights = loss_class_weight(loss_);
  class_weight_.assign(weights.begin(), weights.end());

  const Plan<T>& plan = network.plan();
  for (std::size_t i = 0; i < plan.parameters.size(); ++i) {
    const UpdateRule rule = update_rule(optimizer_, plan.parameter_specs[i]);
    const std::size_t begin = plan.parameters[i].offset;
    const std::size_t end =
        i + 1 < plan.parameters.size() ? plan.parameters[i + 1].offset : plan.parameter_size;
    if (!segments_.empty() && segments_.back().rule == rule) {
      segments_.back().count = end - segments_.back().offset;
    } else {
      segments_.push_back({begin, end - begin, rule});
    }
  }
  slots_.reserve(slot_names_.size() * plan.parameter_size * sizeof(T));
}

template <class T>
void BasicTrainer<T>::reserve(std::size_t max_batch) {
  start_threads();
  if (max_batch <= max_batch_) return;
  const std::size_t outputs = network_->output_shape().count();
  network_->reserve(chain_batch_.most_layer_by_layer(max_batch));
  network_->reserve_scratch(network_->kernels().loss_workspace(max_batch, outputs));
  chain_batch_.reserve(max_batch);
  batch_x_.reserve(checked_product("trainer", max_batch, network_->input_shape().count()) * sizeof(T));
  batch_targets_.reserve(checked_product("trainer", max_batch, outputs) * sizeof(T));
  batch_labels_.reserve(max_batch * sizeof(std::int64_t));
  batch_weight_.reserve(max_batch * sizeof(T));
  row_scale_.reserve(max_batch * sizeof(T));
  max_batch_ = max_batch;
}

// Each row's weight over the sum of all, which is returned.
template <class T>
double BasicTrainer<T>::scale_rows(const Batch& batch, T* row_scale) const {
  if (!batch.sample_weight && (!batch.labels || class_weight_.empty())) {
    std::fill_n(row_scale, batch.count, T(1.0 / double(batch.count)));
    return double(batch.count);
  }
  const auto weight = [&](std::size_t r) {
    return batch.sample_weight ? double(batch.sample_weight[r]) : 1.0;
  };
  double sum = 0;
  for (std::size_t r = 0; r < batch.count; ++r) {
    sum += batch.labels ? weight(r) * class_weight_of(batch.labels[r]) : weight(r);
  }
  for (std::size_t r = 0; r < batch.count; ++r) row_scale[r] = sum > 0 ? T(weight(r) / sum) : T(0);
  return sum;
}

template <class T>
double BasicTrainer<T>::forward_and_loss(const Batch& batch) {
  const std::size_t outputs = network_->output_shape().count();
  T* row_scale = row_scale_.template at<T>(0);
  last_weight_sum_ = scale_rows(batch, row_scale);
  LossArgs<T> args{loss_kind(loss_), loss_parameter(loss_),
                   batch.count,      outputs,
                   nullptr,          batch.targets,
                   batch.labels,     class_weight_.empty() ? nullptr : class_weight_.data(),
                   row_scale,        nullptr};
  if (chain_batch_.takes(batch.count)) {
    output_ = chain_batch_.output();
    return chain_batch_.run(batch.x, args);
  }
  args.output = output_ = network_->forward_training(batch.x, batch.count, seed(), state_.step);
  args.grad_output = network_->grad_output();
  return network_->kernels().loss(network_->context(), args);
}

template <class T>
void BasicTrainer<T>::backward(const Batch& batch) {
  if (chain_batch_.takes(batch.count)) return;  // it has been there
  network_->backward(network_->grad_output());
  network_->forget_recorded();
}

template <class T>
void BasicTrainer<T>::update() {
  const double rate = current_learning_rate();
  for (const Segment& segment : segments_) {
    if (segment.rule.rate == 0) continue;
    set_slots(segment.offset, slot_pointers_);
    apply_optimizer(optimizer_, network_->kernels(), network_->context(), segment.rule.at(rate),
                    segment.rule.decay, state_.step + 1, segment.count,
                    network_->parameter_data() + segment.offset, network_->gradient_data() + segment.offset,
                    slot_pointers_);
  }
  ++state_.step;
}

template <class T>
void BasicTrainer<T>::loss_not_finite(double loss, std::uint64_t step) const {
  fail<NumericError>("training: the loss is ", loss, " at step ", step + 1, " (epoch ", state_.epoch + 1,
                     "); lower the learning rate or check the data's scale");
}

template <class T>
T BasicTrainer<T>::checked_step(const Batch& batch) {
  const std::size_t outputs = network_->output_shape().count();
  if (batch.count == 0) fail<ShapeError>("step: the batch has 0 samples, at least 1 is needed");
  if (batch.labels) {
    if (!std::holds_alternative<CrossEntropy>(loss_)) {
      fail<ValueError>("step: ", loss_name(loss_), " needs targets, labels were given");
    }
    check_labels(batch.count, batch.labels, outputs);
  }
  constexpr DataType type = DatasetView<T>().x_type;
  const std::size_t bad_x = first_bad_row<T>(batch.x, type, network_->input_shape().count(), batch.count);
  if (bad_x != kAllFinite) fail<NumericError>("step: x has NaN or infinity in row ", bad_x);
  if (batch.targets) {
    const std::size_t bad_y = first_bad_row<T>(batch.targets, type, outputs, batch.count);
    if (bad_y != kAllFinite) fail<NumericError>("step: y has NaN or infinity in row ", bad_y);
  }
  reserve(batch.count);
  return T(step_on(batch));
}

template <class T>
double BasicTrainer<T>::step_on(const Batch& batch) {
  try {
    return step_or_throw(batch);
  } catch (...) {
    network_->undo_forward_training();
    throw;
  }
}

template <class T>
double BasicTrainer<T>::step_or_throw(const Batch& batch) {
  const double loss = forward_and_loss(batch);
  if (!std::isfinite(loss)) loss_not_finite(loss, state_.step);
  if (last_weight_sum_ == 0) {  // as the online kernel: there is nothing to learn from
    network_->forget_recorded();
    ++state_.step;
  } else {
    backward(batch);
    update();
  }
  add_to_epoch(batch, loss);
  return last_weight_sum_ == 0 ? 0 : loss;
}

// Of the batch whose outputs are at output_.
template <class T>
void BasicTrainer<T>::add_to_epoch(const Batch& batch, double loss) {
  state_.correct += count_correct(loss_, batch.count, network_->output_shape().count(), output_,
                                  batch.targets, batch.labels);
  if (last_weight_sum_ == 0) return;
  state_.loss_sum += loss * last_weight_sum_;
  state_.weight_sum += last_weight_sum_;
}

template <class T>
bool BasicTrainer<T>::holds(std::size_t batch) const {
  return batch <= max_batch_ && (chain_batch_.takes(batch) || batch <= network_->reserved_batch());
}

template <class T>
T BasicTrainer<T>::unchecked_step(const Batch& batch) noexcept {
  if (batch.count == 0 || !holds(batch.count)) return std::numeric_limits<T>::quiet_NaN();
  try {
    const double loss = forward_and_loss(batch);
    backward(batch);
    update();
    add_to_epoch(batch, loss);
    return T(loss);
  } catch (...) {  // a layer that cannot learn from such a batch
    network_->undo_forward_training();
    return std::numeric_limits<T>::quiet_NaN();
  }
}

template <class T>
T BasicTrainer<T>::step(const T* x, const std::int64_t* labels, std::size_t batch, const T* sample_weight) {
  return checked_step({x, nullptr, labels, sample_weight, batch});
}
template <class T>
T BasicTrainer<T>::step(const T* x, const T* targets, std::size_t batch, const T* sample_weight) {
  return checked_step({x, targets, nullptr, sample_weight, batch});
}
template <class T>
T BasicTrainer<T>::step_unchecked(const T* x, const std::int64_t* labels, std::size_t batch,
                                  const T* sample_weight) noexcept {
  return unchecked_step({x, nullptr, labels, sample_weight, batch});
}
template <class T>
T BasicTrainer<T>::step_unchecked(const T* x, const T* targets, std::size_t batch,
                                  const T* sample_weight) noexcept {
  return unchecked_step({x, targets, nullptr, sample_weight, batch});
}

template <class T>
T BasicTrainer<T>::step_in_epoch(const T* x, const std::int64_t* labels, std::size_t batch,
                                 std::uint64_t visited) {
  check_labels(batch, labels, network_->output_shape().count());
  double loss = 0;
  const bool too_small = batch < visited && batch < network_->plan().least_batch.samples;
  if (batch > 0 && !too_small) {
    reserve(batch);
    loss = step_on({x, nullptr, labels, nullptr, batch});
  }
  state_.position += visited;
  return T(loss);
}

static bool is_run(const std::uint64_t* order, std::size_t count) {
  std::size_t steps = 1;
  for (std::size_t i = 1; i < count; ++i) steps += order[i] == order[0] + i;
  return steps == count;
}

// The samples of `order`, converted to T and side by side: copied, unless they lie so in the data.
template <class T>
typename BasicTrainer<T>::Batch BasicTrainer<T>::gather(const DatasetView<T>& data,
                                                        const std::uint64_t* order, std::size_t count) {
  if (data.x_type == DatasetView<T>().x_type && is_run(order, count)) {
    const std::size_t first = static_cast<std::size_t>(order[0]);
    return {static_cast<const T*>(data.x) + first * data.features,
            data.targets ? data.targets + first * data.outputs : nullptr,
            data.labels ? data.labels + first : nullptr,
            data.sample_weight ? data.sample_weight + first : nullptr, count};
  }
  Batch batch{batch_x_.template at<T>(0), nullptr, nullptr, nullptr, count};
  gather_rows(data.x, data.x_type, data.features, order, 0, count, batch_x_.template at<T>(0));
  if (data.targets) {
    gather_rows(data.targets, DatasetView<T>().x_type, data.outputs, order, 0, count,
                batch_targets_.template at<T>(0));
    batch.targets = batch_targets_.template at<T>(0);
  }
  if (data.labels) {
    std::int64_t* labels = batch_labels_.template at<std::int64_t>(0);
    for (std::size_t r = 0; r < count; ++r) labels[r] = data.labels[order[r]];
    batch.labels = labels;
  }
  if (data.sample_weight) {
    T* weight = batch_weight_.template at<T>(0);
    for (std::size_t r = 0; r < count; ++r) weight[r] = data.sample_weight[order[r]];
    batch.sample_weight = weight;
  }
  return batch;
}

template <class T>
bool BasicTrainer<T>::runs_online(std::size_t batch_size) const {
  return batch_size == 1 && chain_.obstacle.empty() && !chain_.links.empty();
}

template <class T>
void BasicTrainer<T>::set_online_layers(double rate) {
  const Plan<T>& plan = network_->plan();
  online_layers_.clear();
  for (const ChainLink& link : chain_.links) {
    OnlineLayer<T> layer{};
    layer.in = link.in;
    layer.out = link.out;
    layer.activation = link.activation;
    if (link.parameter) {
      const std::size_t weight = *link.parameter, bias = weight + 1;
      const UpdateRule rule = update_rule(optimizer_, plan.parameter_specs[weight]);
      layer.weight = network_->parameter_data() + plan.parameters[weight].offset;
      layer.weight_rate = rule.at(rate);
      layer.weight_decay = rule.decay ? weight_decay(optimizer_) : 0;
      layer.weight_frozen = rule.rate == 0;
      set_slots(plan.parameters[weight].offset, layer.weight_slots);
      if (link.bias) {
        const UpdateRule bias_rule = update_rule(optimizer_, plan.parameter_specs[bias]);
        layer.bias = network_->parameter_data() + plan.parameters[bias].offset;
        layer.bias_rate = bias_rule.at(rate);
        layer.bias_decay = bias_rule.decay ? weight_decay(optimizer_) : 0;
        layer.bias_frozen = bias_rule.rate == 0;
        set_slots(plan.parameters[bias].offset, layer.bias_slots);
      }
    }
    online_layers_.push_back(layer);
  }
}

template <class T>
void BasicTrainer<T>::set_slots(std::size_t offset, T** slots) {
  for (std::size_t s = 0; s < slot_names_.size(); ++s) {
    slots[s] = slots_.template at<T>((s * network_->plan().parameter_size + offset) * sizeof(T));
  }
}

template <class T>
void BasicTrainer<T>::run_online(const DatasetView<T>& data, const std::uint64_t* order, std::size_t count,
                                 std::size_t online_block) {
  set_online_layers(current_learning_rate());
  OnlineArgs<T> args{online_layers_.data(),
                     online_layers_.size(),
                     loss_kind(loss_),
                     loss_parameter(loss_),
                     class_weight_.empty() ? nullptr : class_weight_.data(),
                     static_cast<const T*>(data.x),
                     data.targets,
                     data.labels,
                     data.sample_weight,
                     order,
                     count,
                     online_block,
                     update_args(optimizer_, 0, true, 1),
                     state_.step};
  if (data.x_type != DatasetView<T>().x_type) {
    reserve(count);
    const Batch batch = gather(data, order, count);
    for (std::size_t i = gathered_order_.size(); i < count; ++i) gathered_order_.push_back(i);
    args.x = batch.x;
    args.target = batch.targets;
    args.label = batch.labels;
    args.sample_weight = batch.sample_weight;
    args.order = gathered_order_.data();
  }
  network_->reserve_scratch(network_->kernels().online_workspace(args));
  const OnlineResult result = network_->kernels().online_sgd(network_->context(), args);
  if (result.steps < count) loss_not_finite(result.loss_sum, state_.step + result.steps);
  state_.step += result.steps;
  state_.loss_sum += result.loss_sum;
  state_.weight_sum += result.weight_sum;
  state_.correct += result.correct;
}

// Up to the next multiple of a whole number of blocks: where a run was paused or resumed moves no block.
// Other rules than plain SGD have no blocks, and take several times as long for a weight.
template <class T>
std::size_t BasicTrainer<T>::online_samples(std::uint64_t position, std::size_t online_block) const {
  // While the rate warms up it changes with every step.
  if (state_.step < options_.schedule.warmup_steps) return 1;
  const auto* sgd = std::get_if<Sgd>(&optimizer_);
  const bool plain = sgd && sgd->momentum == 0;
  const std::size_t block = !plain ? 1 : online_block ? online_block : kDefaultBlocks;
  const std::size_t products = plain ? kOnlineProducts : kOnlineProducts / 8;
  const std::size_t wanted = products / std::max<std::size_t>(1, network_->parameter_count());
  const std::size_t most = std::clamp<std::size_t>(wanted / block, 1, kMostDraws / block + 1) * block;
  return most - static_cast<std::size_t>(position % most);
}

static void check_online_block(const char* operation, std::size_t online_block) {
  if (online_block > kMostOnlineBlock) {
    fail<ValueError>(operation, ": online_block is ", online_block, ", at most ", kMostOnlineBlock,
                     " is possible; 0 lets bpnet choose");
  }
}

template <class T>
void BasicTrainer<T>::check_batches(std::size_t samples, std::size_t batch_size) const {
  if (samples == 0) fail<ShapeError>("training: the data has 0 samples, at least 1 is needed");
  if (batch_size == 0) fail<ValueError>("training: batch_size is 0, at least 1 is needed");
  const LeastBatch& least = network_->plan().least_batch;
  const auto needs = [&] { return ", but layer " + least.layer + " needs " + std::to_string(least.samples); };
  const std::size_t whole = std::min(samples, batch_size);
  if (whole < least.samples) {
    fail<ShapeError>(
        "training: a batch has ", whole, whole == 1 ? " sample" : " samples", needs(),
        " to learn from: ", samples < least.samples ? "give more samples" : "choose a larger batch_size");
  }
  // A run that stands amid an epoch cuts what is left of it first.
  const std::size_t left = samples - std::min<std::size_t>(samples, state_.position);
  for (const std::size_t count : {left, samples}) {
    const std::size_t last = count % batch_size;
    if (last == 0 || last >= least.samples) continue;
    fail<ShapeError>("training: ", count, " samples in batches of ", batch_size, " leave ", last,
                     " for the last batch", needs(),
                     " to learn from: ", "choose another batch_size, or leave a sample out");
  }
}

template <class T>
bool BasicTrainer<T>::run(const Dataset<T>& dataset, const RunOptions& options) {
  const DatasetView<T>& data = dataset.view();
  check_data("training", data, loss_, *network_);
  check_online_block("training", options.online_block);
  check_batches(data.count, options.batch_size);
  if (state_.position > data.count) {
    fail<ShapeError>("training: the run stands after ", state_.position,
                     " samples of an epoch, the data has ", data.count, "; give the data it was begun with");
  }
  if (state_.position == data.count) {
    fail<ValueError>("training: all ", data.count, " samples of this epoch were visited; call end_epoch()");
  }
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const auto in_time = [&] {
    return std::chrono::duration<double>(Clock::now() - start).count() < options.seconds;
  };
  if (order_.size() != data.count || order_epoch_ != state_.epoch || order_shuffled_ != options.shuffle) {
    make_epoch_order(seed(), state_.epoch, options.shuffle, data.count, order_);
    order_epoch_ = state_.epoch;
    order_shuffled_ = options.shuffle;
  }
  if (state_.position == 0) begin_epoch();
  const bool online = runs_online(options.batch_size);
  if (!online) reserve(std::min(options.batch_size, data.count));
  while (state_.position < data.count) {
    const std::size_t left = data.count - state_.position;
    std::size_t count = std::min(options.batch_size, left);
    if (online) {
      count = std::min(left, online_samples(state_.position, options.online_block));
      run_online(data, order_.data() + state_.position, count, options.online_block);
    } else {
      step_on(gather(data, order_.data() + state_.position, count));
    }
    state_.position += count;
    if (!in_time()) break;
  }
  return state_.position == data.count;
}

template <class T>
void BasicTrainer<T>::run_draws(const Dataset<T>& dataset, std::uint64_t steps, double seconds,
                                std::size_t online_block) {
  const DatasetView<T>& data = dataset.view();
  check_data("run_draws", data, loss_, *network_);
  check_online_block("run_draws", online_block);
  if (!runs_online(1)) {
    fail<ValueError>("run_draws: a chain of linear layers and activations is needed",
                     chain_.obstacle.empty() ? "" : "; " + chain_.obstacle);
  }
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const std::uint64_t end = state_.step + steps;
  while (state_.step < end) {
    const std::uint64_t left = end - state_.step;
    const std::size_t count = std::min<std::uint64_t>(left, online_samples(state_.step, online_block));
    make_draws(seed(), state_.step, data.count, count, order_);
    order_epoch_ = ~std::uint64_t{0};
    run_online(data, order_.data(), count, online_block);
    if (std::chrono::duration<double>(Clock::now() - start).count() >= seconds) break;
  }
}

template <class T>
EpochResult BasicTrainer<T>::epoch_result(std::size_t samples) const {
  return {state_.weight_sum > 0 ? state_.loss_sum / state_.weight_sum : 0.0,
          samples ? double(state_.correct) / double(samples) : 0.0};
}

template <class T>
void BasicTrainer<T>::end_epoch(double watched_loss) {
  schedule_epoch_end(options_.schedule, state_.schedule, watched_loss);
  ++state_.epoch;
  begin_epoch();
}

template <class T>
void BasicTrainer<T>::begin_epoch() {
  state_.position = 0;
  state_.loss_sum = state_.weight_sum = 0;
  state_.correct = 0;
}

template <class T>
double BasicTrainer<T>::current_learning_rate() const {
  return learning_rate(optimizer_) *
         schedule_factor(options_.schedule, state_.schedule, state_.epoch, state_.step);
}

template <class T>
bool BasicTrainer<T>::weights_are_finite() {
  const std::size_t size = network_->plan().parameter_size;
  return network_->kernels().first_not_finite(network_->context(), size, network_->parameter_data()) == size;
}

template <class T>
std::vector<NamedTensor<T>> BasicTrainer<T>::slots() {
  const Plan<T>& plan = network_->plan();
  std::vector<NamedTensor<T>> result;
  for (std::size_t s = 0; s < slot_names_.size(); ++s) {
    for (const Slot& slot : plan.parameters) {
      T* data = slots_.template at<T>((s * plan.parameter_size + slot.offset) * sizeof(T));
      result.push_back({slot_names_[s] + "." + slot.name, {data, slot.shape}});
    }
  }
  return result;
}

template <class T>
TrainerSnapshot<T> BasicTrainer<T>::snapshot() {
  const Plan<T>& plan = network_->plan();
  const T* slots = slots_.template at<T>(0);
  TrainerSnapshot<T> copy;
  copy.parameters.assign(network_->parameter_data(), network_->parameter_data() + plan.parameter_size);
  copy.buffers.assign(network_->buffer_data(), network_->buffer_data() + plan.buffer_size);
  copy.slots.assign(slots, slots + slot_names_.size() * plan.parameter_size);
  copy.state = state_;
  return copy;
}

template <class T>
void BasicTrainer<T>::restore(const TrainerSnapshot<T>& snapshot) {
  const Plan<T>& plan = network_->plan();
  if (snapshot.parameters.size() != plan.parameter_size || snapshot.buffers.size() != plan.buffer_size ||
      snapshot.slots.size() != slot_names_.size() * plan.parameter_size) {
    fail<ShapeError>("restore: the snapshot has ", snapshot.parameters.size(), " weights, ",
                     snapshot.buffers.size(), " buffers and ", snapshot.slots.size(),
                     " optimizer slots, the trainer has ", plan.parameter_size, ", ", plan.buffer_size,
                     " and ", slot_names_.size() * plan.parameter_size,
                     "; restore what this trainer's snapshot() gave");
  }
  network_->forget_recorded();  // what undoes a forward would put old buffers over these
  std::copy(snapshot.parameters.begin(), snapshot.parameters.end(), network_->parameter_data());
  std::copy(snapshot.buffers.begin(), snapshot.buffers.end(), network_->buffer_data());
  std::copy(snapshot.slots.begin(), snapshot.slots.end(), slots_.template at<T>(0));
  state_ = snapshot.state;
}

template <class T>
bool BasicTrainer<T>::restore_best() {
  if (best_) restore(*best_);
  return best_.has_value();
}

template class BasicTrainer<float>;
template class BasicTrainer<double>;

}  // namespace bpnet
