// A loop that allocates nothing: forward, loss, backward, update.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "bpnet/training/batch_gradient.h"
#include "bpnet/training/epoch.h"
#include "bpnet/training/online.h"
#include "bpnet/training/recorded_steps.h"
#include "bpnet/training/snapshot.h"

namespace bpnet {

struct TrainerOptions {
  Schedule schedule = {};
  std::optional<std::uint64_t> seed = {};  // of masks and data order; the network's by default
};

struct RunOptions {
  std::size_t batch_size = 32;
  bool shuffle = true;
  double seconds = 1e30;  // return after about this long, also within an epoch
  // The online kernel's blocks, of plain SGD: how many updates of the large layers are made together, which
  // is the same in real arithmetic; 1: one by one, 0: chosen; at most kMostOnlineBlock.
  std::size_t online_block = 0;
};

// A batch that the caller made of the epoch's next `visited` samples. It may have fewer, even none: a batch
// that is too small for that reason is skipped.
template <class T>
struct EpochBatch {
  const T* x = nullptr;                  // (count, input), finite; in the host's memory
  const std::int64_t* labels = nullptr;  // (count,)
  std::size_t count = 0;
  std::uint64_t visited = 0;
};

// The network must outlive the trainer and must not move.
template <class T>
class BasicTrainer {
 public:
  BasicTrainer(BasicNetwork<T>& network, Loss loss, Optimizer optimizer, TrainerOptions options = {});

  // Allocates the memory for batches of up to max_batch and makes the threads; step_unchecked within it,
  // called from the same thread, allocates none. (A team of OpenMP belongs to one thread.)
  void reserve(std::size_t max_batch);

  // One step on x (batch, input) and labels (batch,) or targets (batch, output); sample_weight (batch,) may
  // be null. All are the host's arrays. Returns the batch's loss before the update. Throws, and updates
  // nothing, when a label is out of range, x or targets are not finite, or the loss is not; gradients() may
  // be garbage then. A batch whose weights are all 0 changes no weight, but BatchNorm's statistics.
  T step(const T* x, const std::int64_t* labels, std::size_t batch, const T* sample_weight = nullptr);
  T step(const T* x, const T* targets, std::size_t batch, const T* sample_weight = nullptr);

  // The same without checks of the numbers; labels must be in range. The update is made whatever the loss:
  // NaN after an update counts the step. A batch of no samples or of more than were reserved, or one that a
  // layer cannot learn from (BatchNorm: one value per channel), gives NaN with nothing changed, the step's
  // number included; so does an error of a reducer or a CustomLoss.
  T step_unchecked(const T* x, const std::int64_t* labels, std::size_t batch,
                   const T* sample_weight = nullptr) noexcept;
  T step_unchecked(const T* x, const T* targets, std::size_t batch,
                   const T* sample_weight = nullptr) noexcept;

  // Throws unless every batch of this epoch and of later ones is large enough for the layers to learn from.
  // run() checks this too; a caller that makes batches itself does so before the first of them.
  void check_batches(std::size_t samples, std::size_t batch_size) const;

  // One step on `count` samples of the order from `first` on, rows of the data, as step_unchecked: the update
  // counts whatever the loss. Allocates memory where this many samples were not reserved.
  double step_rows(const Dataset<T>& data, const std::uint64_t* order, std::size_t first, std::size_t count);

  // Steps through the current epoch until its end or until options.seconds have passed; true at the end. The
  // data must be finite. batch_size 1 on a chain of linear layers and activations runs the online kernel,
  // unless gradients are clipped, a layer is frozen or the loss is a CustomLoss. A NumericError names the
  // step whose loss was not finite. Once an epoch has ended a ValueError requests end_epoch(); a ShapeError
  // reports that the run is beyond the data's end. After a NumericError the run is in the state before the
  // step whose loss was not finite.
  bool run(const Dataset<T>& data, const RunOptions& options);

  // A step as run() makes it. Throws for labels out of range.
  T step_in_epoch(const EpochBatch<T>& batch);
  // Such steps on the batches of `next`, each valid until the next call, until it reports that there is none;
  // true then. Returns earlier after about this many seconds, or to read the losses: on a device a batch is
  // prepared during the steps before it. Exceptions of `next` are passed on.
  bool run_batches(const std::function<bool(EpochBatch<T>&)>& next, double seconds = 1e30);

  // `steps` of the lecture's loop: pick a sample with replacement, forward, backward, update. A call ends its
  // current block, so calls whose steps are not a multiple of a block's give other last bits than one call.
  void run_draws(const Dataset<T>& data, std::uint64_t steps, double seconds = 1e30,
                 std::size_t online_block = 0);

  // Steps outside run() add to the epoch's sums too; your own loop begins an epoch with this.
  void begin_epoch() { bpnet::begin_epoch(state_); }

  // Ends the epoch: its result, with the schedule given the watched loss (the epoch's by default).
  EpochResult epoch_result(std::size_t samples) const { return bpnet::epoch_result(state_, samples); }
  void end_epoch(double watched_loss);

  double lr() const;
  // The optimizer's numbers for the following steps; the schedule's factor multiplies the rate. For a caller
  // that changes them from step to step. A device records its steps again.
  void set_rates(const Rates& rates);
  bool weights_are_finite();
  TrainerSnapshot<T> snapshot();
  void restore(const TrainerSnapshot<T>& snapshot);  // a ShapeError for one of another network or optimizer
  // From now on several trainers make each step together, and this one has a part of each batch. None by
  // default and with {}. Layers run one by one then; a ValueError for a network with BatchNorm, whose
  // statistics would be those of a part. A load does not restore it.
  void set_reducer(const Reducer<T>& reducer);

  void keep_best() { best_ = snapshot(); }  // saved with the run, so that a resumed one can restore it
  bool restore_best();                      // false when nothing was kept

  BasicNetwork<T>& network() { return *network_; }
  const Loss& loss() const { return loss_; }
  const Optimizer& optimizer() const { return optimizer_; }
  const TrainerOptions& options() const { return options_; }
  std::uint64_t seed() const { return options_.seed.value_or(network_->options().seed); }
  TrainerState& state() { return state_; }
  const TrainerState& state() const { return state_; }
  std::vector<NamedTensor<T>> slots() { return update_.slots(); }  // "momentum.0.weight", …

  // The caller's data beside the run: save() writes it, load() reads it. Python stores the history and the
  // callbacks' state here, as JSON.
  std::string notes;

  // Defined in io/checkpoint.cpp. An exception of load() leaves the network unchanged.
  void save(const std::string& path);
  // `custom` is the CustomLoss of a run that was trained with one, under the same name; a ValueError where it
  // is missing, and where it is another.
  static BasicTrainer load(BasicNetwork<T>& network, const std::string& path,
                           const CustomLoss* custom = nullptr);

 private:
  // The numbers that change from step to step, in the backend's memory: a recorded step reads them there.
  struct StepNumbers {
    RandomStep random;
    UpdateStep update;
  };
  // Steps whose sums the host has not read yet.
  struct Slice {
    std::uint64_t first_step, first_position;
    std::size_t samples_a_step;         // by which the position advances
    std::vector<std::uint64_t> starts;  // of the caller's batches instead: the position before each step
  };

  void open_slice(std::size_t samples_a_step);
  Sums commit_slice();                               // adds the backend's sums to the state
  Sums close_slice();                                // likewise; throws when a loss was not finite
  void abandon_slice();                              // after an error; an incomplete step is undone
  void make_step(const Batch<T>& batch, Tally how);  // within a slice
  void run_kernels(const Batch<T>& batch, Tally how);
  bool learns_from(const EpochBatch<T>& batch) const;
  T step_on(const Batch<T>& batch);  // an exception leaves all but gradients() unchanged
  void check_answers(const Batch<T>& batch) const;
  bool holds(std::size_t batch) const;  // steps of this many samples allocate no memory
  T checked_step(const Batch<T>& host);
  T unchecked_step(const Batch<T>& host) noexcept;
  bool runs_online(std::size_t batch_size) const { return batch_size == 1 && online_.takes(); }
  void reserve_steps(std::size_t max_batch);
  OrderedData<T> ordered(const Dataset<T>& data, const std::uint64_t* order);
  void run_online(const OrderedData<T>& data, std::size_t first, std::size_t count, std::size_t block);
  std::size_t online_samples(std::uint64_t position, std::size_t block) const;

  BasicNetwork<T>* network_;
  Loss loss_;
  Optimizer optimizer_;
  TrainerOptions options_;
  BatchSource<T> source_;
  BatchGradient<T> gradient_;
  Update<T> update_;
  OnlineLoop<T> online_;
  RecordedSteps<T> recorded_;
  SampleOrder order_;
  Arena numbers_;  // StepNumbers
  Slice slice_{};
  bool complete_ = true;  // no step is incomplete
  std::optional<TrainerSnapshot<T>> best_;
  TrainerState state_;
};

using Trainer = BasicTrainer<float>;
using TrainerF64 = BasicTrainer<double>;

extern template class BasicTrainer<float>;
extern template class BasicTrainer<double>;

}  // namespace bpnet
