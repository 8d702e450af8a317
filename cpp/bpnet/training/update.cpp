#include "bpnet/training/update.h"

#include <algorithm>

namespace bpnet {

template <class T>
Update<T>::Update(BasicNetwork<T>& network, const Optimizer& optimizer)
    : network_(&network),
      optimizer_(optimizer),
      slot_names_(optimizer_slots(optimizer)),
      clipping_(clipping(optimizer)),
      slots_(network.memory()) {
  const Plan<T>& plan = network.plan();
  slots_.reserve(slot_size() * sizeof(T));
  for (std::size_t i = 0; i < plan.parameters.size(); ++i) {
    const UpdateRule rule = update_rule(optimizer_, plan.parameter_specs[i]);
    const std::size_t begin = plan.parameters[i].offset;
    const std::size_t end =
        i + 1 < plan.parameters.size() ? plan.parameters[i + 1].offset : plan.parameter_size;
    if (!segments_.empty() && segments_.back().rule == rule) {
      segments_.back().count = end - segments_.back().offset;
    } else {
      segments_.push_back({begin, end - begin, rule, args_of(i), {}});
      set_slots(begin, segments_.back().slots);
    }
  }
  if (!clipping_) return;
  std::size_t longest = 0;
  for (std::size_t i = 0; i < plan.parameters.size(); ++i) {
    if (plan.parameter_specs[i].frozen()) continue;
    const Slot& slot = plan.parameters[i];
    gradients_.push_back({slot.offset, slot.shape.count()});
    longest = std::max(longest, slot.shape.count());
  }
  network.reserve_scratch(network.kernels().clip_workspace(longest));
}

template <class T>
void Update<T>::set_optimizer(const Optimizer& optimizer) {
  optimizer_ = optimizer;
  for (Segment& segment : segments_) segment.args = update_args(optimizer_, segment.rule);
}

template <class T>
UpdateArgs Update<T>::args_of(std::size_t parameter) const {
  return update_args(optimizer_, update_rule(optimizer_, network_->plan().parameter_specs[parameter]));
}

template <class T>
void Update<T>::clip(Tally how, Sums* sums) {
  network_->kernels().clip(network_->context(),
                           {network_->gradient_data(), gradients_.data(), gradients_.size(),
                            clipping_.value.value_or(0), clipping_.norm.value_or(0)},
                           how, sums);
}

template <class T>
void Update<T>::apply(const UpdateStep* now, Tally how, Sums* sums) {
  if (clipping_) clip(how, sums);
  for (const Segment& segment : segments_) {
    if (segment.args.rate == 0) continue;  // frozen, with its slots
    network_->kernels().update(network_->context(), segment.args, now, &sums->updates, segment.count,
                               network_->parameter_data(Writes::kBeforeNextCall) + segment.offset,
                               network_->gradient_data() + segment.offset, segment.slots);
  }
}

template <class T>
void Update<T>::set_slots(std::size_t offset, T** slots) {
  for (std::size_t s = 0; s < slot_names_.size(); ++s) {
    slots[s] = slot_data() + s * network_->plan().parameter_size + offset;
  }
}

template <class T>
std::vector<NamedTensor<T>> Update<T>::slots() {
  const Plan<T>& plan = network_->plan();
  std::vector<NamedTensor<T>> result;
  for (std::size_t s = 0; s < slot_names_.size(); ++s) {
    for (const Slot& slot : plan.parameters) {
      T* data = slot_data() + s * plan.parameter_size + slot.offset;
      result.push_back({slot_names_[s] + "." + slot.name, {data, slot.shape}});
    }
  }
  return result;
}

template <class T>
std::size_t Update<T>::slot_size() const {
  return slot_names_.size() * network_->plan().parameter_size;
}

template class Update<float>;
template class Update<double>;

}  // namespace bpnet
