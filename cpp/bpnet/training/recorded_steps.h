// Steps that differ only in their numbers, not in the operations and addresses, are recorded by a device that
// supports it and then replayed by one call of the host each.
#pragma once

#include <memory>
#include <vector>

#include "bpnet/kernels/recorder.h"
#include "bpnet/training/batch.h"

namespace bpnet {

// The network must outlive it and must not move.
template <class T>
class RecordedSteps {
 public:
  explicit RecordedSteps(BasicNetwork<T>& network) : network_(&network) {}

  bool possible() const { return network_->backend().recorder != nullptr; }

  // work(), a step on this batch. The first one of a kind is run, which lets libraries choose and allocate
  // what they need; the second is recorded; from then on the recording is replayed. Work that cannot be
  // recorded is run. Exceptions of work are passed on, with nothing done where it was being recorded.
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
  // The validity of a recording: sizes, and addresses of arrays.
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
    RecordedForward<T> forward;            // the network's state after the recorded step
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
