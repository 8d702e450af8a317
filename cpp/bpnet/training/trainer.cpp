#include "bpnet/training/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "bpnet/core/error.h"
#include "bpnet/core/threads/parallel.h"

namespace bpnet {
namespace {

// Whether some seconds have passed.
class Deadline {
 public:
  explicit Deadline(double seconds) : seconds_(seconds) {}
  bool is_over() const { return std::chrono::duration<double>(Clock::now() - start_).count() >= seconds_; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
  double seconds_;
};

void check_online_block(const char* operation, std::size_t block) {
  if (block > kMostOnlineBlock) {
    fail<ValueError>(operation, ": online_block is ", block, ", at most ", kMostOnlineBlock,
                     " is possible; 0 lets bpnet choose");
  }
}

}  // namespace

template <class T>
BasicTrainer<T>::BasicTrainer(BasicNetwork<T>& network, Loss loss, Optimizer optimizer,
                              TrainerOptions options)
    : network_(&network),
      loss_((check_loss(loss, network), std::move(loss))),
      optimizer_((check_optimizer(optimizer), std::move(optimizer))),
      options_(std::move(options)),
      source_(network),
      gradient_(network, loss_, make_chain(network)),
      update_(network, optimizer_),
      online_(network, loss_, optimizer_, make_chain(network)),
      recorded_(network),
      order_(network.memory()),
      numbers_(network.memory()) {
  check_schedule(options_.schedule);
  numbers_.reserve(sizeof(StepNumbers));
  const auto& parameters = network.plan().parameter_specs;
  const auto is_frozen = [](const ParameterSpec& parameter) { return parameter.frozen(); };
  if (!parameters.empty() && std::all_of(parameters.begin(), parameters.end(), is_frozen)) {
    fail<ValueError>("trainer: all layers of the network are frozen; leave one trainable");
  }
}

template <class T>
void BasicTrainer<T>::reserve(std::size_t max_batch) {
  reserve_steps(max_batch);
  source_.reserve_staging(max_batch);
}

// Batches that come from a data set may need no staging.
template <class T>
void BasicTrainer<T>::reserve_steps(std::size_t max_batch) {
  start_threads();
  if (max_batch <= source_.reserved() && gradient_.holds(max_batch)) return;
  recorded_.clear();
  gradient_.reserve(max_batch);
  source_.reserve(max_batch);
}

template <class T>
bool BasicTrainer<T>::holds(std::size_t batch) const {
  return batch <= source_.reserved() && source_.stages(batch) && gradient_.holds(batch);
}

template <class T>
void BasicTrainer<T>::set_reducer(const Reducer<T>& reducer) {
  if ((reducer.number != nullptr) != (reducer.gradient != nullptr)) {
    fail<ValueError>("reducer: ", reducer.number ? "gradient" : "number",
                     " is null, both functions are needed");
  }
  const std::string& mixing = network_->plan().mixing_layer;
  if (reducer && !mixing.empty()) {
    fail<ValueError>("reducer: layer ", mixing,
                     " normalises by its batch, of which each trainer has a part; ",
                     "train this network without a reducer");
  }
  gradient_.set_reducer(reducer);
}

template <class T>
void BasicTrainer<T>::open_slice(std::size_t samples_a_step) {
  slice_.first_step = state_.step;
  slice_.first_position = state_.position;
  slice_.samples_a_step = samples_a_step;
  slice_.starts.clear();
  Sums sums{};
  sums.loss = state_.loss_sum;
  sums.weight = state_.weight_sum;
  sums.correct = state_.correct;
  gradient_.loss().write(sums);
}

template <class T>
Sums BasicTrainer<T>::commit_slice() {
  const Sums sums = gradient_.loss().read();
  state_.loss_sum = sums.loss;
  state_.weight_sum = sums.weight;
  state_.correct = sums.correct;
  // Steps after one whose loss was not finite have changed nothing.
  if (slice_.first_step + sums.steps < state_.step) {
    state_.step = slice_.first_step + sums.steps;
    state_.position = slice_.starts.empty() ? slice_.first_position + sums.steps * slice_.samples_a_step
                                            : slice_.starts[sums.steps];
  }
  return sums;
}

template <class T>
Sums BasicTrainer<T>::close_slice() {
  const Sums sums = commit_slice();
  if (sums.stopped) {
    network_->undo_forward_training();
    const auto stop = [&](const auto&... what) {
      fail<NumericError>("training: ", what..., " at step ", state_.step + 1, " (epoch ", state_.epoch + 1,
                         "); lower the learning rate or check the data's scale");
    };
    if (std::isfinite(sums.stopping_loss)) stop("the norm of the gradients is not finite");
    stop("the loss is ", sums.stopping_loss);
  }
  network_->forget_recorded();
  return sums;
}

template <class T>
void BasicTrainer<T>::abandon_slice() {
  if (!commit_slice().stopped && complete_) {
    network_->forget_recorded();
  } else {
    network_->undo_forward_training();
  }
}

template <class T>
void BasicTrainer<T>::run_kernels(const Batch<T>& batch, Tally how) {
  const StepNumbers* const now = numbers_.at<StepNumbers>(0);
  gradient_.run(batch, &now->random, how);
  update_.apply(&now->update, how, gradient_.loss().sums());
  gradient_.loss().tally(how);
}

template <class T>
void BasicTrainer<T>::make_step(const Batch<T>& batch, Tally how) {
  const bool recorded = recorded_.possible() && gradient_.is_all_kernels();
  if (recorded) {  // a replayed step cannot be interrupted
    Interruptible work(network_->interrupted);
    work.check();
  }
  complete_ = false;
  const StepNumbers now{{seed(), state_.step, gradient_.first_row(batch.count)},
                        update_.at(lr(), state_.step + 1)};
  write_to(network_->memory(), numbers_.at<StepNumbers>(0), &now, 1);
  if (recorded) {
    recorded_.run(batch, how, [&] { run_kernels(batch, how); });
  } else {
    run_kernels(batch, how);
  }
  ++state_.step;
  complete_ = true;
}

template <class T>
T BasicTrainer<T>::step_on(const Batch<T>& batch) {
  open_slice(0);
  try {
    make_step(batch, Tally::kTraining);
  } catch (...) {
    abandon_slice();
    throw;
  }
  const Sums sums = close_slice();
  return sums.batch_weight == 0 ? T(0) : T(sums.batch_loss);
}

// Checks that the loss has its targets.
template <class T>
void BasicTrainer<T>::check_answers(const Batch<T>& batch) const {
  if (!batch.labels && !batch.targets) {
    fail<ValueError>("step: there are neither targets nor labels, one of them is needed");
  }
  if (batch.labels && !takes_labels(loss_)) {
    fail<ValueError>("step: ", loss_name(loss_), " needs targets, labels were given");
  }
  if (batch.labels) check_labels(batch.count, batch.labels, network_->output_shape().count());
}

template <class T>
T BasicTrainer<T>::checked_step(const Batch<T>& host) {
  if (host.count == 0) fail<ShapeError>("step: the batch has 0 samples, at least 1 is needed");
  check_answers(host);
  constexpr DataType type = DatasetView<T>().x_type;
  const std::size_t bad_x = first_bad_row<T>(host.x, type, network_->input_shape().count(), host.count);
  if (bad_x != kAllFinite) fail<NumericError>("step: x has NaN or infinity in row ", bad_x);
  if (host.targets) {
    const std::size_t outputs = network_->output_shape().count();
    const std::size_t bad_y = first_bad_row<T>(host.targets, type, outputs, host.count);
    if (bad_y != kAllFinite) fail<NumericError>("step: y has NaN or infinity in row ", bad_y);
  }
  reserve(host.count);
  return step_on(source_.stage(host));
}

template <class T>
T BasicTrainer<T>::unchecked_step(const Batch<T>& host) noexcept {
  if (host.count == 0 || !holds(host.count)) return std::numeric_limits<T>::quiet_NaN();
  try {
    open_slice(0);
    make_step(source_.stage(host), Tally::kUnchecked);
    network_->forget_recorded();
    return T(commit_slice().batch_loss);
  } catch (...) {  // a layer that cannot learn from such a batch, or a reducer
    abandon_slice();
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
double BasicTrainer<T>::step_rows(const Dataset<T>& dataset, const std::uint64_t* order, std::size_t first,
                                  std::size_t count) {
  const DatasetView<T>& data = dataset.view();
  check_data("step", data, loss_, *network_);
  if (count == 0) fail<ShapeError>("step: the batch has 0 samples, at least 1 is needed");
  for (std::size_t i = first; i < first + count; ++i) {
    if (order[i] >= data.count)
      fail<ShapeError>("step: row ", order[i], " of data with ", data.count, " rows");
  }
  reserve_steps(count);
  open_slice(0);
  try {
    make_step(source_.gather({data, order, nullptr, nullptr}, first, count), Tally::kUnchecked);
  } catch (...) {
    abandon_slice();
    throw;
  }
  network_->forget_recorded();
  return commit_slice().batch_loss;
}

template <class T>
bool BasicTrainer<T>::learns_from(const EpochBatch<T>& batch) const {
  if (batch.count > 0) check_answers({batch.x, nullptr, batch.labels, nullptr, batch.count});
  if (batch.count == 0 && gradient_.reducer()) {
    fail<ValueError>(
        "step: this trainer's part of the batch has 0 samples, and the others wait for its gradients; ",
        "every trainer with a reducer needs a sample in each step");
  }
  const bool too_small = batch.count < batch.visited && batch.count < network_->plan().least_batch.samples;
  return batch.count > 0 && !too_small;
}

template <class T>
T BasicTrainer<T>::step_in_epoch(const EpochBatch<T>& batch) {
  T loss = 0;
  if (learns_from(batch)) {
    reserve(batch.count);
    loss = step_on(source_.stage({batch.x, nullptr, batch.labels, nullptr, batch.count}));
  }
  state_.position += batch.visited;
  return loss;
}

template <class T>
bool BasicTrainer<T>::run_batches(const std::function<bool(EpochBatch<T>&)>& next, double seconds) {
  const Deadline deadline(seconds);
  bool ended = false;
  open_slice(0);
  try {
    for (std::size_t unread = 0; unread < network_->memory().steps_unread(); ++unread) {
      EpochBatch<T> batch;
      ended = !next(batch);
      if (ended) break;
      if (learns_from(batch)) {
        if (!holds(batch.count)) {
          close_slice();
          reserve(batch.count);
          open_slice(0);
        }
        slice_.starts.push_back(state_.position);
        make_step(source_.stage({batch.x, nullptr, batch.labels, nullptr, batch.count}), Tally::kTraining);
        network_->memory().keep_pace();
      }
      state_.position += batch.visited;
      if (deadline.is_over()) break;
    }
  } catch (...) {
    abandon_slice();
    throw;
  }
  close_slice();
  return ended;
}

template <class T>
OrderedData<T> BasicTrainer<T>::ordered(const Dataset<T>& data, const std::uint64_t* order) {
  Interruptible work(network_->interrupted);
  const DatasetView<T>* const copy = source_.copy_of(data);
  const OrderedData<T> samples{data.view(), order, copy, copy ? order_.there() : nullptr};
  work.check();
  return samples;
}

template <class T>
void BasicTrainer<T>::run_online(const OrderedData<T>& data, std::size_t first, std::size_t count,
                                 std::size_t block) {
  online_.run(data, first, count, block, state_.step, lr(), source_, gradient_.loss(), update_);
  state_.step += count;
}

template <class T>
std::size_t BasicTrainer<T>::online_samples(std::uint64_t position, std::size_t block) const {
  // While the rate warms up it changes with every step.
  if (state_.step < options_.schedule.warmup_steps) return 1;
  return online_.samples(static_cast<std::size_t>(position), block);
}

template <class T>
void BasicTrainer<T>::check_batches(std::size_t samples, std::size_t batch_size) const {
  check_epoch_batches(network_->plan().least_batch, state_.position, samples, batch_size);
}

template <class T>
bool BasicTrainer<T>::run(const Dataset<T>& dataset, const RunOptions& options) {
  const DatasetView<T>& data = dataset.view();
  check_data("training", data, loss_, *network_);
  check_online_block("training", options.online_block);
  check_batches(data.count, options.batch_size);
  if (state_.position > data.count) {
    fail<ShapeError>("training: the run is after ", state_.position, " samples of an epoch, the data has ",
                     data.count, "; give the data it was begun with");
  }
  if (state_.position == data.count) {
    fail<ValueError>("training: all ", data.count, " samples of this epoch were visited; call end_epoch()");
  }
  const bool online = runs_online(options.batch_size);
  if (online && gradient_.reducer()) {
    fail<ValueError>("training: batch_size 1 runs the online loop, which has no gradient to reduce; ",
                     "choose a batch_size of at least 2, or train without a reducer");
  }
  const Deadline deadline(options.seconds);
  const std::uint64_t* order = order_.of_epoch(seed(), state_.epoch, options.shuffle, data.count);
  if (state_.position == 0) begin_epoch();
  if (!online) reserve_steps(std::min(options.batch_size, data.count));
  const OrderedData<T> samples = ordered(dataset, order);
  bool pauses = false;
  while (!pauses) {
    open_slice(online ? 1 : options.batch_size);
    try {
      for (std::size_t unread = 0; !pauses && unread < network_->memory().steps_unread(); ++unread) {
        const std::size_t first = state_.position, left = data.count - first;
        std::size_t count = std::min(options.batch_size, left);
        if (online) {
          count = std::min(left, online_samples(state_.position, options.online_block));
          run_online(samples, first, count, options.online_block);
        } else {
          make_step(source_.gather(samples, first, count), Tally::kTraining);
        }
        network_->memory().keep_pace();
        state_.position += count;
        pauses = state_.position == data.count || deadline.is_over();
      }
    } catch (...) {
      abandon_slice();
      throw;
    }
    close_slice();
  }
  return state_.position == data.count;
}

template <class T>
void BasicTrainer<T>::run_draws(const Dataset<T>& dataset, std::uint64_t steps, double seconds,
                                std::size_t online_block) {
  const DatasetView<T>& data = dataset.view();
  check_data("run_draws", data, loss_, *network_);
  check_online_block("run_draws", online_block);
  if (!online_.obstacle().empty()) {
    fail<ValueError>("run_draws: a chain of linear layers and activations is needed; ", online_.obstacle());
  }
  const bool online = runs_online(1);
  if (online && gradient_.reducer()) {
    fail<ValueError>("run_draws: the online loop has no gradient to reduce; train without a reducer");
  }
  if (!online) reserve_steps(1);
  const Deadline deadline(seconds);
  const std::uint64_t end = state_.step + steps;
  bool pauses = steps == 0;
  while (!pauses) {
    open_slice(0);
    try {
      for (std::size_t unread = 0; !pauses && unread < network_->memory().steps_unread(); ++unread) {
        const std::size_t most = online ? online_samples(state_.step, online_block) : 1;
        const std::size_t count = std::min<std::uint64_t>(end - state_.step, most);
        const OrderedData<T> samples = ordered(dataset, order_.draws(seed(), state_.step, data.count, count));
        if (online) {
          run_online(samples, 0, count, online_block);
        } else {
          make_step(source_.gather(samples, 0, 1), Tally::kTraining);
        }
        network_->memory().keep_pace();
        pauses = state_.step == end || deadline.is_over();
      }
    } catch (...) {
      abandon_slice();
      throw;
    }
    close_slice();
  }
}

template <class T>
void BasicTrainer<T>::end_epoch(double watched_loss) {
  schedule_epoch_end(options_.schedule, state_.schedule, watched_loss);
  ++state_.epoch;
  begin_epoch();
}

template <class T>
double BasicTrainer<T>::lr() const {
  return initial_lr(optimizer_) *
         schedule_factor(options_.schedule, state_.schedule, state_.epoch, state_.step);
}

template <class T>
void BasicTrainer<T>::set_rates(const Rates& rates) {
  Optimizer changed = with_rates(optimizer_, rates);
  check_optimizer(changed);
  optimizer_ = std::move(changed);
  update_.set_optimizer(optimizer_);
  online_.set_optimizer(optimizer_);
  recorded_.clear();
}

template <class T>
bool BasicTrainer<T>::weights_are_finite() {
  for (const Slot& slot : network_->plan().parameters) {
    const std::size_t count = slot.shape.count();
    const T* data = network_->parameter_data(Writes::kNever) + slot.offset;
    if (network_->kernels().first_not_finite(network_->context(), count, data) < count) return false;
  }
  return true;
}

template <class T>
TrainerSnapshot<T> BasicTrainer<T>::snapshot() {
  return take_snapshot(*network_, update_, state_);
}

template <class T>
void BasicTrainer<T>::restore(const TrainerSnapshot<T>& snapshot) {
  restore_snapshot(snapshot, *network_, update_, state_);
}

template <class T>
bool BasicTrainer<T>::restore_best() {
  if (best_) restore(*best_);
  return best_.has_value();
}

template class BasicTrainer<float>;
template class BasicTrainer<double>;

}  // namespace bpnet
