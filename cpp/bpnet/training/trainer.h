// A loop that allocates nothing: forward, loss, backward, update.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bpnet/network/network.h"
#include "bpnet/training/chain_batch.h"
#include "bpnet/training/dataset.h"
#include "bpnet/training/loss.h"
#include "bpnet/training/optimizer.h"
#include "bpnet/training/schedule.h"

namespace bpnet {

struct TrainerOptions {
  Schedule schedule = {};
  std::optional<std::uint64_t> seed = {};  // of masks and data order; the network's by default
};

struct RunOptions {
  std::size_t batch_size = 32;
  bool shuffle = true;
  double seconds = 1e30;  // return after about this long, even amid an epoch
  // The online kernel's blocks, of plain SGD: how many updates of the large layers are made together, which
  // is the same in real arithmetic; 1: one by one, 0: chosen; at most kMostOnlineBlock.
  std::size_t online_block = 0;
};

// A block is a stretch in which nobody who wants to stop is heard, and costs a matrix of its length squared.
constexpr std::size_t kMostOnlineBlock = 1024;

// Where the run stands. Everything that training depends on beside weights and optimizer slots.
struct TrainerState {
  std::uint64_t step = 0;               // updates so far
  std::uint64_t epoch = 0;              // epochs finished
  std::uint64_t position = 0;           // samples visited in the current epoch
  double loss_sum = 0, weight_sum = 0;  // over the current epoch
  std::uint64_t correct = 0;
  ScheduleState schedule;
};

struct EpochResult {
  double loss = 0;      // the weighted mean of the batches' losses, each before its update
  double accuracy = 0;  // meaningful where has_accuracy(loss)
};

template <class T>
struct TrainerSnapshot {
  std::vector<T> parameters, buffers, slots;
  TrainerState state;
};

// The network must outlive the trainer and stay where it is.
template <class T>
class BasicTrainer {
 public:
  BasicTrainer(BasicNetwork<T>& network, Loss loss, Optimizer optimizer, TrainerOptions options = {});

  // Takes the memory for batches of up to max_batch; step_unchecked within it takes none.
  void reserve(std::size_t max_batch);

  // One step on x (batch, input) and labels (batch,) or targets (batch, output); sample_weight (batch,)
  // may be null. Returns the batch's loss before the update. Throws, and updates nothing, when a label
  // is out of range, x or targets are not finite, or the loss is not; gradients() may be garbage then. A
  // batch whose weights are all 0 is passed over.
  T step(const T* x, const std::int64_t* labels, std::size_t batch, const T* sample_weight = nullptr);
  T step(const T* x, const T* targets, std::size_t batch, const T* sample_weight = nullptr);

  // The same without checks of the numbers; labels must be in range. The update is made whatever the loss:
  // NaN after an update counts the step. A batch of no samples or of more than were reserved, or one that a
  // layer cannot learn from (BatchNorm: one value per channel), gives NaN with nothing changed, the step's
  // number included.
  T step_unchecked(const T* x, const std::int64_t* labels, std::size_t batch,
                   const T* sample_weight = nullptr) noexcept;
  T step_unchecked(const T* x, const T* targets, std::size_t batch,
                   const T* sample_weight = nullptr) noexcept;

  // Throws unless every batch of this epoch and of later ones is large enough for the layers to learn from.
  // run() asks too; a caller with batches of its own does so before the first of them is made.
  void check_batches(std::size_t samples, std::size_t batch_size) const;

  // Steps through the current epoch until its end or until options.seconds have passed; true at the
  // end. The data must be finite. batch_size 1 on a chain of linear layers and activations runs the online
  // kernel. A NumericError names the step whose loss was not finite. Once an epoch has ended a ValueError
  // asks for end_epoch(); a ShapeError says that the run stands beyond the data's end.
  bool run(const Dataset<T>& data, const RunOptions& options);

  // A step as run() makes it, on a batch that the caller made of the epoch's next `visited` samples. Fewer
  // may be left of them, even none: a batch that is too small for that reason is passed over. x must be
  // finite. Throws for labels out of range.
  T step_in_epoch(const T* x, const std::int64_t* labels, std::size_t batch, std::uint64_t visited);

  // `steps` of the lecture's loop: pick a sample with replacement, forward, backward, update. A call ends the
  // block it is in, so calls whose steps are no whole number of blocks give other last bits than one call.
  void run_draws(const Dataset<T>& data, std::uint64_t steps, double seconds = 1e30,
                 std::size_t online_block = 0);

  // Steps outside run() add to the epoch's sums too; your own loop begins an epoch with this.
  void begin_epoch();

  // Ends the epoch: its result, with the schedule told the watched loss (the epoch's own by default).
  EpochResult epoch_result(std::size_t samples) const;
  void end_epoch(double watched_loss);

  double current_learning_rate() const;
  bool weights_are_finite();
  TrainerSnapshot<T> snapshot();
  void restore(const TrainerSnapshot<T>& snapshot);  // a ShapeError for that of another network or optimizer
  void keep_best() { best_ = snapshot(); }  // saved with the run, so that a resumed one can go back to it
  bool restore_best();                      // false when nothing was kept

  BasicNetwork<T>& network() { return *network_; }
  const Loss& loss() const { return loss_; }
  const Optimizer& optimizer() const { return optimizer_; }
  const TrainerOptions& options() const { return options_; }
  std::uint64_t seed() const { return options_.seed.value_or(network_->options().seed); }
  TrainerState& state() { return state_; }
  const TrainerState& state() const { return state_; }
  std::vector<NamedTensor<T>> slots();  // "momentum.0.weight", …

  // What the caller wants to keep beside the run: save() writes it, load() reads it. Python keeps the history
  // and the callbacks' state here, as JSON.
  std::string notes;

  // Defined in io/checkpoint.cpp. What load() throws leaves the network as it was.
  void save(const std::string& path);
  static BasicTrainer load(BasicNetwork<T>& network, const std::string& path);

 private:
  struct Segment {  // neighbours in the flat arrays that are updated alike
    std::size_t offset, count;
    UpdateRule rule;
  };
  struct Batch {
    const T* x;
    const T* targets;
    const std::int64_t* labels;
    const T* sample_weight;
    std::size_t count;
  };

  double scale_rows(const Batch& batch, T* row_scale) const;
  // Leaves the outputs at output_, and in the network the gradient by them or, of a chain batch, by all
  // parameters.
  double forward_and_loss(const Batch& batch);
  double step_on(const Batch& batch);        // what it throws leaves all but gradients() as it was
  double step_or_throw(const Batch& batch);  // throws before the update when the loss is not finite
  void add_to_epoch(const Batch& batch, double loss);
  void backward(const Batch& batch);
  void update();
  bool holds(std::size_t batch) const;  // steps of so many samples take no memory
  T checked_step(const Batch& batch);
  T unchecked_step(const Batch& batch) noexcept;
  Batch gather(const DatasetView<T>& data, const std::uint64_t* order, std::size_t count);
  void run_online(const DatasetView<T>& data, const std::uint64_t* order, std::size_t count,
                  std::size_t online_block);
  std::size_t online_samples(std::uint64_t position, std::size_t online_block) const;
  void set_online_layers(double rate);
  void set_slots(std::size_t offset, T** slots);  // of the parameters from there on
  bool runs_online(std::size_t batch_size) const;
  double class_weight_of(std::int64_t label) const {
    return class_weight_.empty() ? 1.0 : static_cast<double>(class_weight_[static_cast<std::size_t>(label)]);
  }
  [[noreturn]] void loss_not_finite(double loss, std::uint64_t step) const;

  BasicNetwork<T>* network_;
  Loss loss_;
  Optimizer optimizer_;
  TrainerOptions options_;
  Chain chain_;
  ChainBatch<T> chain_batch_;
  std::vector<T> class_weight_;
  std::vector<Segment> segments_;
  std::vector<std::string> slot_names_;
  Arena slots_;  // one array of plan().parameter_size per slot
  Arena batch_x_, batch_targets_, batch_labels_, batch_weight_, row_scale_;
  T* slot_pointers_[2] = {};  // of the segment that is updated; no rule has more
  std::size_t max_batch_ = 0;
  std::vector<std::uint64_t> order_;  // of the epoch order_epoch_
  std::uint64_t order_epoch_ = ~std::uint64_t{0};
  bool order_shuffled_ = false;
  std::vector<OnlineLayer<T>> online_layers_;
  std::vector<std::uint64_t> gathered_order_;  // 0, 1, … of samples that were converted to T
  const T* output_ = nullptr;                  // of the last batch
  double last_weight_sum_ = 0;
  std::optional<TrainerSnapshot<T>> best_;
  TrainerState state_;
};

using Trainer = BasicTrainer<float>;
using TrainerF64 = BasicTrainer<double>;

extern template class BasicTrainer<float>;
extern template class BasicTrainer<double>;

}  // namespace bpnet
