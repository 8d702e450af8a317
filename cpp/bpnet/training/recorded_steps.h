// Steps that differ only in their numbers, not in what is computed where, are recorded by a device that can
// and then run by one call of the host's each.
#pragma once

#include <memory>
#include <vector>

#include "bpnet/kernels/recorder.h"
#include "bpnet/training/batch.h"

namespace bpnet {

// The network must outlive it and stay where it is.
template <class T>
class RecordedSteps {
 public:
  explicit RecordedSteps(BasicNetwork<T>& network) : network_(&network) {}

  bool possible() const { return network_->backend().recorder != nullptr; }

  // work(), a step on this batch. The first one of a kind is run, which lets libraries choose and take
  // what they need; the second is recorded; from then on what was recorded is run. Work that cannot be
  // recorded is run. What work throws comes out, with nothing done where it was being recorded.
  template <class Work>
  void run(const Batch<T>& batch, Tally how, const Work& work) {
    run_again(batch, how, {[](const void* of) { (*static_cast<const Work*>(of))(); }, &work});
  }

  void clear() { recordings_.clear(); }  // arrays that steps use have moved

 private:
  struct Step {
    void (*call)(const void* argument);
    const void* argument;
  };
  // What a recording holds good for: sizes, and arrays that are used where they were.
  struct Kind {
    Batch<T> batch;
    Tally how;
    std::uint64_t memory_version;

    bool operator==(const Kind&) const;
  };
  struct Release {
    const Recorder* recorder;
    void operator()(void* recording) const noexcept { recorder->release(recording); }
  };
  struct Recording {
    Kind kind;
    std::unique_ptr<void, Release> steps;  // null until the second step
    RecordedForward<T> forward;            // as the recorded step leaves the network
    bool refused;                          // the device could not record it
  };

  void run_again(const Batch<T>& batch, Tally how, const Step& step);
  Recording* find(const Kind& kind);
  void record(Recording& recording, const Step& step);

  static constexpr std::size_t kMost = 4;  // kinds that are kept

  BasicNetwork<T>* network_;
  std::vector<Recording> recordings_;  // the latest first
};

extern template class RecordedSteps<float>;
extern template class RecordedSteps<double>;

}  // namespace bpnet
