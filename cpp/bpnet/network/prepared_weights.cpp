#include "bpnet/network/prepared_weights.h"

#include <new>

#include "bpnet/core/threads/interrupt.h"

namespace bpnet {

// Only float32 has products in bfloat16.
static const Preparation<float>* preparation_of(const Backend& backend, float) {
  return backend.preparation ? backend.preparation() : nullptr;
}
static const Preparation<double>* preparation_of(const Backend&, double) { return nullptr; }

template <class T>
PreparedWeights<T>::PreparedWeights(const Plan<T>& plan, const Backend& backend)
    : preparation_(preparation_of(backend, T())), offsets_{0}, memory_(backend.memory()) {
  for (const Step& step : plan.steps) {
    const std::size_t bytes =
        preparation_ ? plan.layer_of(step).prepared_size(*preparation_, step.input_shapes[0]) : 0;
    offsets_.push_back(checked_sum("network", offsets_.back(), align_up(bytes)));
  }
}

template <class T>
void PreparedWeights<T>::weights_escape() {
  escaped_ = true;
  made_ = kNone;
  memory_ = Arena(memory_.memory());
}

// A gain in speed that is not worth an error: these weights are used as they are.
template <class T>
bool PreparedWeights<T>::has_memory() {
  if (refused_ == version_) return false;
  try {
    memory_.reserve(offsets_.back());
  } catch (const std::bad_alloc&) {
    refused_ = version_;
    return false;
  }
  return true;
}

template <class T>
void PreparedWeights<T>::begin(Context& context, const Plan<T>& plan, T* const* parameters) {
  if (escaped_ || are_valid() || offsets_.back() == 0) return;
  if (seen_ != version_) {
    seen_ = version_;
    return;
  }
  if (!has_memory()) return;
  made_ = kNone;
  Interruptible* const work = Interruptible::current();
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    if (offsets_[i] == offsets_[i + 1]) continue;
    plan.layer_of(step).prepare(context, *preparation_, step.input_shapes[0],
                                parameters + step.first_parameter,
                                memory_.template at<unsigned char>(offsets_[i]));
    if (work) work->check();  // the interrupted layer's are garbage
  }
  made_ = version_;
}

template <class T>
const unsigned char* PreparedWeights<T>::of_step(std::size_t index) const {
  const bool has = are_valid() && offsets_[index] != offsets_[index + 1];
  return has ? memory_.template at<unsigned char>(offsets_[index]) : nullptr;
}

template class PreparedWeights<float>;
template class PreparedWeights<double>;

}  // namespace bpnet
