#include "bpnet/training/snapshot.h"

#include "bpnet/core/error.h"

namespace bpnet {

template <class T>
TrainerSnapshot<T> take_snapshot(BasicNetwork<T>& network, Update<T>& update, const TrainerState& state) {
  const auto copy = [&](const T* from, std::size_t count) {
    std::vector<T> to(count);
    read_from(network.memory(), to.data(), from, count);
    return to;
  };
  const Plan<T>& plan = network.plan();
  return {copy(network.parameter_data(Writes::kNever), plan.parameter_size),
          copy(network.buffer_data(), plan.buffer_size), copy(update.slot_data(), update.slot_size()), state};
}

template <class T>
void restore_snapshot(const TrainerSnapshot<T>& snapshot, BasicNetwork<T>& network, Update<T>& update,
                      TrainerState& state) {
  const Plan<T>& plan = network.plan();
  if (snapshot.parameters.size() != plan.parameter_size || snapshot.buffers.size() != plan.buffer_size ||
      snapshot.slots.size() != update.slot_size()) {
    fail<ShapeError>("restore: the snapshot has ", snapshot.parameters.size(), " weights, ",
                     snapshot.buffers.size(), " buffers and ", snapshot.slots.size(),
                     " optimizer slots, the trainer has ", plan.parameter_size, ", ", plan.buffer_size,
                     " and ", update.slot_size(), "; restore what this trainer's snapshot() gave");
  }
  network.forget_recorded();  // what undoes a forward would put old buffers over these
  const auto copy = [&](T* to, const std::vector<T>& from) {
    write_to(network.memory(), to, from.data(), from.size());
  };
  copy(network.parameter_data(Writes::kBeforeNextCall), snapshot.parameters);
  copy(network.buffer_data(), snapshot.buffers);
  copy(update.slot_data(), snapshot.slots);
  state = snapshot.state;
}

template TrainerSnapshot<float> take_snapshot<float>(BasicNetwork<float>&, Update<float>&,
                                                     const TrainerState&);
template TrainerSnapshot<double> take_snapshot<double>(BasicNetwork<double>&, Update<double>&,
                                                       const TrainerState&);
template void restore_snapshot<float>(const TrainerSnapshot<float>&, BasicNetwork<float>&, Update<float>&,
                                      TrainerState&);
template void restore_snapshot<double>(const TrainerSnapshot<double>&, BasicNetwork<double>&, Update<double>&,
                                       TrainerState&);

}  // namespace bpnet
