// The state of a run, to restore.
#pragma once

#include "bpnet/training/epoch.h"
#include "bpnet/training/update.h"

namespace bpnet {

template <class T>
struct TrainerSnapshot {
  std::vector<T> parameters, buffers, slots;  // the host's
  TrainerState state;
};

template <class T>
TrainerSnapshot<T> take_snapshot(BasicNetwork<T>& network, Update<T>& update, const TrainerState& state);

// A ShapeError for a snapshot of another network or optimizer; then nothing is changed.
template <class T>
void restore_snapshot(const TrainerSnapshot<T>& snapshot, BasicNetwork<T>& network, Update<T>& update,
                      TrainerState& state);

}  // namespace bpnet
