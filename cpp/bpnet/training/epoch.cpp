#include "bpnet/training/epoch.h"

#include <algorithm>
#include <cstring>

#include "bpnet/core/error.h"
#include "bpnet/training/order.h"

namespace bpnet {

void begin_epoch(TrainerState& state) {
  state.position = 0;
  state.loss_sum = state.weight_sum = 0;
  state.correct = 0;
}

EpochResult epoch_result(const TrainerState& state, std::size_t samples) {
  return {state.weight_sum > 0 ? state.loss_sum / state.weight_sum : 0.0,
          samples ? double(state.correct) / double(samples) : 0.0};
}

void check_epoch_batches(const LeastBatch& least, std::uint64_t position, std::size_t samples,
                         std::size_t batch_size) {
  if (samples == 0) fail<ShapeError>("training: the data has 0 samples, at least 1 is needed");
  if (batch_size == 0) fail<ValueError>("training: batch_size is 0, at least 1 is needed");
  const auto needs = [&] { return ", but layer " + least.layer + " needs " + std::to_string(least.samples); };
  const std::size_t whole = std::min(samples, batch_size);
  if (whole < least.samples) {
    fail<ShapeError>(
        "training: a batch has ", whole, whole == 1 ? " sample" : " samples", needs(),
        " to learn from: ", samples < least.samples ? "give more samples" : "choose a larger batch_size");
  }
  // A run within an epoch first divides the rest of that epoch.
  const std::size_t left = samples - std::min<std::size_t>(samples, position);
  for (const std::size_t count : {left, samples}) {
    const std::size_t last = count % batch_size;
    if (last == 0 || last >= least.samples) continue;
    fail<ShapeError>("training: ", count, " samples in batches of ", batch_size, " leave ", last,
                     " for the last batch", needs(),
                     " to learn from: ", "choose another batch_size, or leave a sample out");
  }
}

const std::uint64_t* SampleOrder::of_epoch(std::uint64_t seed, std::uint64_t epoch, bool shuffle,
                                           std::size_t samples) {
  if (order_.size() != samples || epoch_ != epoch || shuffled_ != shuffle) {
    epoch_ = kNone;  // also when the next line throws
    there_ = nullptr;
    make_epoch_order(seed, epoch, shuffle, samples, order_);
    epoch_ = epoch;
    shuffled_ = shuffle;
  }
  return order_.data();
}

const std::uint64_t* SampleOrder::draws(std::uint64_t seed, std::uint64_t first, std::size_t samples,
                                        std::size_t count) {
  epoch_ = kNone;
  there_ = nullptr;
  make_draws(seed, first, samples, count, order_);
  return order_.data();
}

const std::uint64_t* SampleOrder::there() {
  const std::size_t bytes = order_.size() * sizeof(std::uint64_t);
  if (there_ || bytes == 0) return there_;
  if (bytes > feed_size_) {
    feed_.reset();
    feed_size_ = 0;
    feed_ = make_feed(*memory_, bytes);
    feed_size_ = bytes;
  }
  std::memcpy(feed_->fill(), order_.data(), bytes);
  return there_ = static_cast<const std::uint64_t*>(feed_->send(bytes));
}

}  // namespace bpnet
