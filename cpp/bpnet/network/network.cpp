#include "bpnet/network/network.h"

#include <algorithm>

#include "bpnet/core/error.h"
#include "bpnet/kernels/dispatch.h"

namespace bpnet {

// Inference takes large inputs in pieces, so that its memory stays small: about this many elements of
// the widest activation.
constexpr std::size_t kInferenceElements = std::size_t{1} << 20;

template <class T>
BasicNetwork<T>::BasicNetwork(const Shape& input_shape, std::vector<LayerSpec> layers,
                              const NetworkOptions& options)
    : specs_(std::move(layers)),
      options_(options),
      kernels_(&bpnet::kernels<T>(options.backend)),
      plan_(make_plan<T>(input_shape, specs_)) {
  parameters_.reserve(plan_.parameter_size * sizeof(T));
  gradients_.reserve(plan_.parameter_size * sizeof(T));
  buffers_.reserve(plan_.buffer_size * sizeof(T));
  parameter_pointers_ = pointers(parameters_, plan_.parameters);
  gradient_pointers_ = pointers(gradients_, plan_.parameters);
  buffer_pointers_ = pointers(buffers_, plan_.buffers);
  for (std::size_t i = 0; i < plan_.parameters.size(); ++i) {
    const ParameterSpec& spec = plan_.parameter_specs[i];
    initialise(spec.init, spec.fans, options.seed, static_cast<std::uint32_t>(i), spec.shape.count(),
               parameter_pointers_[i]);
    const std::size_t bad = kernels_->first_not_finite(context_, spec.shape.count(), parameter_pointers_[i]);
    if (bad < spec.shape.count()) {
      fail<ValueError>("init: '", plan_.parameters[i].name, "' drawn with ", spec.init.a, " and ",
                       spec.init.b, " is beyond what ", dtype_name<T>(), " can hold");
    }
  }
  for (std::size_t i = 0; i < plan_.buffers.size(); ++i) {
    std::fill_n(buffer_pointers_[i], plan_.buffers[i].shape.count(), T(plan_.buffer_specs[i].value));
  }
}

template <class T>
std::vector<T*> BasicNetwork<T>::pointers(Arena& arena, const std::vector<Slot>& slots) {
  std::vector<T*> result;
  for (const Slot& slot : slots) result.push_back(arena.template at<T>(slot.offset * sizeof(T)));
  return result;
}

template <class T>
std::vector<NamedTensor<T>> BasicNetwork<T>::parameters() {
  std::vector<NamedTensor<T>> result;
  for (std::size_t i = 0; i < plan_.parameters.size(); ++i) {
    result.push_back({plan_.parameters[i].name, {parameter_pointers_[i], plan_.parameters[i].shape}});
  }
  return result;
}

template <class T>
std::vector<NamedTensor<T>> BasicNetwork<T>::gradients() {
  std::vector<NamedTensor<T>> result = parameters();
  for (std::size_t i = 0; i < result.size(); ++i) result[i].tensor.data = gradient_pointers_[i];
  return result;
}

template <class T>
std::vector<NamedTensor<T>> BasicNetwork<T>::state() {
  std::vector<NamedTensor<T>> all = parameters();
  for (std::size_t i = 0; i < plan_.buffers.size(); ++i) {
    all.push_back({plan_.buffers[i].name, {buffer_pointers_[i], plan_.buffers[i].shape}});
  }
  std::vector<NamedTensor<T>> result;
  for (const std::string& name : plan_.state_names) {
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const NamedTensor<T>& t) { return t.name == name; });
    result.push_back(*found);
  }
  return result;
}

template <class T>
std::size_t BasicNetwork<T>::parameter_count() const {
  std::size_t count = 0;
  for (const Slot& slot : plan_.parameters) count += slot.shape.count();
  return count;
}

template <class T>
void BasicNetwork<T>::set_state(const std::string& name, const Shape& shape, const T* values) {
  for (NamedTensor<T>& item : state()) {
    if (item.name != name) continue;
    if (!(item.tensor.shape == shape)) {
      fail<ShapeError>("load_state_dict: '", name, "' has shape ", shape, ", the network's has ",
                       item.tensor.shape);
    }
    const std::size_t bad = kernels_->first_not_finite(context_, shape.count(), values);
    if (bad < shape.count()) {
      fail<NumericError>("load_state_dict: '", name, "' has NaN or infinity at element ", bad);
    }
    std::copy_n(values, shape.count(), item.tensor.data);
    return;
  }
  fail<ValueError>("load_state_dict: the network has no tensor '", name, "'");
}

template <class T>
void BasicNetwork<T>::reserve_scratch(std::size_t bytes) {
  scratch_.reserve(bytes);
  context_ = {scratch_.data(), scratch_.size()};
}

template <class T>
void BasicNetwork<T>::reserve(std::size_t max_batch) {
  if (max_batch <= max_batch_) return;
  std::size_t bytes = 0;
  const auto add = [&](std::size_t count) {
    const std::size_t offset = bytes;
    bytes = checked_sum("network", bytes, align_up(checked_product("network", count, sizeof(T))));
    return offset;
  };
  activation_offsets_.assign(1, 0);  // id 0 is the caller's x
  std::size_t widest = 0;
  for (std::size_t id = 1; id < plan_.activations.size(); ++id) {
    const std::size_t count = checked_product("network", max_batch, plan_.activations[id].count());
    activation_offsets_.push_back(add(count));
    widest = std::max(widest, count);
  }
  saved_offsets_.clear();
  for (const Step& step : plan_.steps) saved_offsets_.push_back(add(plan_.saved_size(step, max_batch)));
  gradient_offsets_[0] = add(widest);
  gradient_offsets_[1] = add(widest);
  workspace_ = Arena();  // the old memory goes first: both need not fit at once
  recorded_batch_ = 0;
  max_batch_ = 0;
  workspace_.reserve(bytes);
  reserve_scratch(plan_.workspace_size(*kernels_, max_batch));
  max_batch_ = max_batch;
}

template <class T>
void BasicNetwork<T>::run_steps(const T* x, std::size_t batch, bool training, std::uint64_t seed,
                                std::uint64_t step_number) {
  for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
    const Step& step = plan_.steps[i];
    const RandomKey key =
        random_key(seed, Purpose::kDropout, static_cast<std::uint32_t>(step.layer), step_number);
    const ForwardArgs<T> args{*kernels_,
                              plan_.activations[step.input],
                              batch,
                              training,
                              key,
                              step.activation,
                              step.input == 0 ? x : activation_memory(step.input),
                              activation_memory(step.output),
                              parameter_pointers_.data() + step.first_parameter,
                              buffer_pointers_.data() + step.first_buffer,
                              workspace_.template at<T>(saved_offsets_[i])};
    plan_.layers[step.layer]->forward(context_, args);
  }
}

template <class T>
void BasicNetwork<T>::forward(const T* x, std::size_t batch, T* out) {
  std::size_t widest = input_shape().count();
  for (const Shape& shape : plan_.activations) widest = std::max(widest, shape.count());
  const std::size_t piece = std::max<std::size_t>(16, kInferenceElements / widest);
  recorded_batch_ = 0;
  reserve(std::min(batch, piece));
  for (std::size_t first = 0; first < batch; first += piece) {
    const std::size_t rows = std::min(piece, batch - first);
    const T* from = x + first * input_shape().count();
    run_steps(from, rows, false, 0, 0);
    const std::size_t last = plan_.activations.size() - 1;
    const T* result = last == 0 ? from : activation_memory(last);
    std::copy_n(result, rows * output_shape().count(), out + first * output_shape().count());
  }
}

template <class T>
const T* BasicNetwork<T>::forward_training(const T* x, std::size_t batch, std::uint64_t seed,
                                           std::uint64_t step) {
  reserve(batch);
  run_steps(x, batch, true, seed, step);
  recorded_x_ = x;
  recorded_batch_ = batch;
  return recorded_output();
}

template <class T>
const T* BasicNetwork<T>::recorded_output() {
  const std::size_t last = plan_.activations.size() - 1;
  return last == 0 ? recorded_x_ : activation_memory(last);
}

template <class T>
void BasicNetwork<T>::backward(const T* grad_out, T* grad_x, bool accumulate) {
  if (recorded_batch_ == 0) {
    fail<ValueError>("backward: there is no forward(training=True) before it to go back through");
  }
  const std::size_t batch = recorded_batch_;
  if (plan_.steps.empty()) {
    if (grad_x) std::copy_n(grad_out, batch * input_shape().count(), grad_x);
    return;
  }
  std::size_t current = 0;
  if (grad_out != gradient_memory(0)) {
    std::copy_n(grad_out, batch * output_shape().count(), gradient_memory(0));
  }
  for (std::size_t i = plan_.steps.size(); i-- > 0;) {
    const Step& step = plan_.steps[i];
    T* grad_y = gradient_memory(current);
    const T* y = activation_memory(step.output);
    if (step.activation.kind != ActivationKind::kIdentity) {
      kernels_->activation_backward(context_, step.activation, batch * plan_.activations[step.output].count(),
                                    nullptr, y, grad_y, grad_y);
    }
    const bool first = step.input == 0;
    const BackwardArgs<T> args{*kernels_,
                               plan_.activations[step.input],
                               batch,
                               first ? recorded_x_ : activation_memory(step.input),
                               y,
                               grad_y,
                               first ? grad_x : gradient_memory(1 - current),
                               parameter_pointers_.data() + step.first_parameter,
                               gradient_pointers_.data() + step.first_parameter,
                               accumulate,
                               workspace_.template at<T>(saved_offsets_[i])};
    plan_.layers[step.layer]->backward(context_, args);
    current = 1 - current;
  }
}

template <class T>
Json BasicNetwork<T>::describe() const {
  Json::Array sizes, layers;
  for (const std::size_t size : input_shape()) sizes.emplace_back(size);
  for (const LayerSpec& spec : specs_) {
    Json layer;
    layer.set("type", spec.type);
    if (spec.options.is_object()) {
      for (const auto& [key, value] : spec.options.object()) layer.set(key, value);
    }
    layers.push_back(std::move(layer));
  }
  Json out;
  out.set("input_shape", std::move(sizes));
  out.set("dtype", dtype_name<T>());
  out.set("seed", std::to_string(options_.seed));  // 64 bits do not fit a JSON integer
  out.set("layers", std::move(layers));
  return out;
}

Architecture architecture_from_json(const Json& description) {
  Architecture result;
  std::vector<std::size_t> sizes;
  for (const Json& size : description["input_shape"].array()) sizes.push_back(size.size());
  result.input_shape = Shape(sizes);
  for (const Json& item : description["layers"].array()) {
    LayerSpec spec{item["type"].string(), {}};
    for (const auto& [key, value] : item.object()) {
      if (key != "type") spec.options.set(key, value);
    }
    result.layers.push_back(std::move(spec));
  }
  if (const Json* seed = description.find("seed")) result.seed = seed->word();
  return result;
}

template class BasicNetwork<float>;
template class BasicNetwork<double>;

}  // namespace bpnet
