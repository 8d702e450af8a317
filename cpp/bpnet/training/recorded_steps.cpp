#include "bpnet/training/recorded_steps.h"

#include <algorithm>
#include <tuple>

namespace bpnet {

template <class T>
bool RecordedSteps<T>::Kind::operator==(const Kind& other) const {
  const auto all = [](const Kind& k) {
    return std::tie(k.batch.x, k.batch.targets, k.batch.labels, k.batch.sample_weight, k.batch.count, k.how,
                    k.memory_version);
  };
  return all(*this) == all(other);
}

// Null for the first step of a kind, which is remembered.
template <class T>
typename RecordedSteps<T>::Recording* RecordedSteps<T>::find(const Kind& kind) {
  const auto found = std::find_if(recordings_.begin(), recordings_.end(),
                                  [&](const Recording& recording) { return recording.kind == kind; });
  const bool known = found != recordings_.end();
  if (!known) {
    if (recordings_.size() == kMost) recordings_.pop_back();
    const Release release{network_->backend().recorder};
    recordings_.insert(recordings_.begin(), {kind, {nullptr, release}, {}, false});
  } else {
    std::rotate(recordings_.begin(), found, found + 1);
  }
  return known ? &recordings_.front() : nullptr;
}

// Nothing has been computed yet: no backward is possible after the forward pass of a recording.
template <class T>
void RecordedSteps<T>::record(Recording& recording, const Step& step) {
  const Recorder& recorder = *network_->backend().recorder;
  try {
    recording.steps.reset(recorder.record(network_->context(), step.call, step.argument));
  } catch (...) {
    network_->forget_recorded();
    throw;
  }
  recording.forward = network_->recorded_forward();
  recording.refused = !recording.steps;
  network_->forget_recorded();
}

template <class T>
void RecordedSteps<T>::run_again(const Batch<T>& batch, Tally how, const Step& step) {
  Recording* const recording = find({batch, how, network_->memory_version()});
  if (recording && !recording->steps && !recording->refused) record(*recording, step);
  if (!recording || recording->refused) return step.call(step.argument);
  network_->backend().recorder->replay(network_->context(), recording->steps.get());
  network_->set_recorded(recording->forward);
}

template class RecordedSteps<float>;
template class RecordedSteps<double>;

}  // namespace bpnet
