// The position of a run in its epochs, and in which order an epoch visits the samples.
#pragma once

#include <cstdint>
#include <vector>

#include "bpnet/core/memory/feed.h"
#include "bpnet/network/plan.h"
#include "bpnet/training/schedule.h"

namespace bpnet {

// The state of training except weights and optimizer slots.
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

void begin_epoch(TrainerState& state);
EpochResult epoch_result(const TrainerState& state, std::size_t samples);

// Throws unless every batch of the epoch at `position`, and of later ones, is large enough for
// the layers to learn from.
void check_epoch_batches(const LeastBatch& least, std::uint64_t position, std::size_t samples,
                         std::size_t batch_size);

// The order of samples, kept from call to call.
class SampleOrder {
 public:
  explicit SampleOrder(const Memory& memory) : memory_(&memory) {}

  const std::uint64_t* of_epoch(std::uint64_t seed, std::uint64_t epoch, bool shuffle, std::size_t samples);
  // The samples that steps first, first+1, … of the lecture's loop pick, with replacement.
  const std::uint64_t* draws(std::uint64_t seed, std::uint64_t first, std::size_t samples, std::size_t count);

  // The last of these in the backend's memory, until the next is computed. Each is sent once.
  const std::uint64_t* there();

 private:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};

  const Memory* memory_;
  std::unique_ptr<Feed> feed_;
  std::size_t feed_size_ = 0;
  const std::uint64_t* there_ = nullptr;  // null: not sent yet
  std::vector<std::uint64_t> order_;
  std::uint64_t epoch_ = kNone;  // whose order it is
  bool shuffled_ = false;
};

}  // namespace bpnet
