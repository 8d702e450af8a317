#include "bpnet/network/network.h"

#include <algorithm>
#include <cmath>

#include "bpnet/core/error.h"
#include "bpnet/layers/path.h"

namespace bpnet {

// Inference processes large inputs in pieces, so that its memory is small: about this many elements of the
// widest activation.
constexpr std::size_t kInferenceElements = std::size_t{1} << 20;

constexpr int kAnyNesting = 1 << 20;  // the nesting was checked before

template <class T>
BasicNetwork<T>::BasicNetwork(const Shape& input_shape, std::vector<LayerSpec> layers,
                              const NetworkOptions& options)
    : specs_(std::move(layers)),
      options_(options),
      backend_(&find_backend_for<T>(options.where)),
      kernels_(&backend_->kernels<T>()),
      plan_(make_plan<T>(input_shape, specs_, kMaxNesting, kernels_)),
      parameters_(memory()),
      gradients_(memory()),
      buffers_(memory()),
      workspace_(memory()),
      scratch_(memory()),
      buffers_before_(memory()),
      staged_x_(memory()),
      now_(memory()),
      context_{nullptr, 0, memory().device(), precision(), winograd()},
      prepared_(plan_, *backend_) {
  parameters_.reserve(plan_.parameter_size * sizeof(T));
  gradients_.reserve(plan_.parameter_size * sizeof(T));
  buffers_.reserve(plan_.buffer_size * sizeof(T));
  parameter_pointers_ = pointers(parameters_, plan_.parameters);
  gradient_pointers_ = pointers(gradients_, plan_.parameters);
  buffer_pointers_ = pointers(buffers_, plan_.buffers);
  buffers_before_.reserve(plan_.buffer_size * sizeof(T));
  now_.reserve(sizeof(RandomStep));
  inputs_.resize(plan_.most_inputs());
  input_gradients_.resize(plan_.most_inputs());
  adds_ = std::make_unique<bool[]>(plan_.most_inputs());
  for (std::size_t i = 0; i < plan_.parameters.size(); ++i) {
    const ParameterSpec& spec = plan_.parameter_specs[i];
    HostMirror<T> values(memory(), parameter_pointers_[i], spec.shape.count(),
                         HostMirror<T>::Contents::kWrite);
    initialise(spec.init, spec.fans, options.seed, static_cast<std::uint32_t>(i), spec.shape.count(),
               values.data());
    values.send();
    const std::size_t bad = kernels_->first_not_finite(context_, spec.shape.count(), parameter_pointers_[i]);
    if (bad < spec.shape.count()) {
      fail<ValueError>("init: '", plan_.parameters[i].name, "' drawn with ", spec.init.a, " and ",
                       spec.init.b, " is beyond what ", dtype_name<T>(), " can hold");
    }
  }
  for (std::size_t i = 0; i < plan_.buffers.size(); ++i) {
    const std::vector<T> values(plan_.buffers[i].shape.count(), T(plan_.buffer_specs[i].value));
    write_to(memory(), buffer_pointers_[i], values.data(), values.size());
  }
}

template <class T>
std::vector<T*> BasicNetwork<T>::pointers(Arena& arena, const std::vector<Slot>& slots) {
  std::vector<T*> result;
  for (const Slot& slot : slots) result.push_back(arena.template at<T>(slot.offset * sizeof(T)));
  return result;
}

template <class T>
void BasicNetwork<T>::expect(Writes writes) {
  if (writes == Writes::kBeforeNextCall) prepared_.weights_change();
  if (writes == Writes::kAtAnyTime) prepared_.weights_escape();
}

template <class T>
std::vector<NamedTensor<T>> BasicNetwork<T>::parameters(Writes writes) {
  expect(writes);
  std::vector<NamedTensor<T>> result;
  for (std::size_t i = 0; i < plan_.parameters.size(); ++i) {
    result.push_back({plan_.parameters[i].name, {parameter_pointers_[i], plan_.parameters[i].shape}});
  }
  return result;
}

template <class T>
std::vector<NamedTensor<T>> BasicNetwork<T>::gradients() {
  std::vector<NamedTensor<T>> result;
  for (std::size_t i = 0; i < plan_.parameters.size(); ++i) {
    if (plan_.parameter_specs[i].frozen()) continue;
    result.push_back({plan_.parameters[i].name, {gradient_pointers_[i], plan_.parameters[i].shape}});
  }
  return result;
}

template <class T>
std::vector<NamedTensor<T>> BasicNetwork<T>::state(Writes writes) {
  std::vector<NamedTensor<T>> all = parameters(writes);
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
std::size_t BasicNetwork<T>::trained_count() const {
  std::size_t count = 0;
  for (const ParameterSpec& spec : plan_.parameter_specs) count += spec.frozen() ? 0 : spec.shape.count();
  return count;
}

template <class T>
void BasicNetwork<T>::set_state(const std::string& name, const Shape& shape, const T* values) {
  forget_recorded();  // what undoes a forward would put old buffers over these
  for (NamedTensor<T>& item : state(Writes::kBeforeNextCall)) {
    if (item.name != name) continue;
    if (!(item.tensor.shape == shape)) {
      fail<ShapeError>("load_state_dict: '", name, "' has shape ", shape, ", the network's has ",
                       item.tensor.shape);
    }
    const std::size_t bad = first_not_finite(values, shape.count());
    if (bad < shape.count()) {
      fail<NumericError>("load_state_dict: '", name, "' has NaN or infinity at element ", bad);
    }
    write_to(memory(), item.tensor.data, values, shape.count());
    return;
  }
  fail<ValueError>("load_state_dict: the network has no tensor '", name, "'");
}

template <class T>
void BasicNetwork<T>::reserve_scratch(std::size_t bytes) {
  if (bytes > scratch_.size()) ++memory_version_;
  scratch_.reserve(bytes);
  context_.scratch = scratch_.data();
  context_.scratch_size = scratch_.size();
}

// Rows of a piece: about kInferenceElements of the widest activation. In bfloat16, where the bits of a sample
// do not depend on the number of rows, up to a quarter of the parameters, since each piece reads all of
// these.
template <class T>
static std::size_t piece_rows(const Plan<T>& plan, Precision precision) {
  const std::size_t fit = precision == Precision::kBfloat16 ? plan.parameter_size / 4 : 0;
  return std::max<std::size_t>(16, std::max(kInferenceElements, fit) / plan.widest());
}

template <class T>
std::size_t BasicNetwork<T>::inference_rows() const {
  return piece_rows(plan_, precision());
}

template <class T>
void BasicNetwork<T>::take_memory(BatchMemory training, BatchMemory inference) {
  forget_recorded();
  ++memory_version_;
  workspace_.reserve(std::max(training.bytes, inference.bytes));
  if (training.batch > training_.batch) training_ = std::move(training);
  if (inference.batch > inference_.batch) inference_ = std::move(inference);
}

template <class T>
void BasicNetwork<T>::reserve(std::size_t max_batch) {
  if (max_batch <= training_.batch) return;
  const std::size_t rows = std::min(max_batch, inference_rows());
  Interruptible work(interrupted);
  // Plans are replaced last: where there is no memory for them, the previous reservation remains.
  reserve_scratch(plan_.workspace_size(*kernels_, max_batch));
  take_memory(training_memory(plan_, max_batch), inference_memory(plan_, rows));
  work.check();
}

template <class T>
void BasicNetwork<T>::reserve_inference(std::size_t rows) {
  if (rows <= inference_.batch) return;
  Interruptible work(interrupted);
  reserve_scratch(plan_.workspace_size(*kernels_, rows));
  take_memory({}, inference_memory(plan_, rows));
  work.check();
}

template <class T>
std::size_t BasicNetwork<T>::training_bytes(std::size_t max_batch) const {
  const std::size_t numbers = 2 * plan_.parameter_size + plan_.buffer_size;
  return checked_sum("network", training_memory(plan_, max_batch).bytes,
                     numbers * sizeof(T) + plan_.workspace_size(*kernels_, max_batch));
}

template <class T>
std::size_t BasicNetwork<T>::first_not_finite(const T* values, std::size_t count) {
  if (memory().is_host()) return kernels_->first_not_finite(context_, count, values);
  return std::size_t(std::find_if(values, values + count, [](T x) { return !std::isfinite(x); }) - values);
}

// In training mode where there is a step's number.
template <class T>
void BasicNetwork<T>::run_steps(const Course& course, const T* x, std::size_t batch, const RandomStep* now) {
  const auto at = [&](std::size_t offset) { return course.workspace.template at<T>(offset); };
  const auto input = [&](std::size_t id) { return id == 0 ? x : at(course.memory.activations[id]); };
  Interruptible work(interrupted);
  for (std::size_t i = 0; i < course.plan.steps.size(); ++i) {
    work.check();
    const Step& step = course.plan.steps[i];
    for (std::size_t k = 0; k < step.inputs.size(); ++k) inputs_[k] = input(step.inputs[k].id);
    const ForwardArgs<T> args{*kernels_,
                              step.input_shapes.data(),
                              batch,
                              now != nullptr,
                              step.frozen,
                              step.number,
                              now,
                              step.activation,
                              inputs_.data(),
                              at(course.memory.activations[step.output]),
                              course.parameters.data() + step.first_parameter,
                              course.buffers.data() + step.first_buffer,
                              at(course.memory.saved[i]),
                              course.prepared ? course.prepared->of_step(i) : nullptr,
                              course.prepared ? course.prepared->preparation() : nullptr};
    course.plan.layer_of(step).forward(context_, args);
  }
  work.check();
}

template <class T>
const T* BasicNetwork<T>::stage(const T* x, std::size_t batch) {
  if (memory().is_host()) return x;
  const std::size_t count = checked_product("forward", batch, input_shape().count());
  staged_x_.reserve(checked_product("forward", count, sizeof(T)));
  write_to(memory(), staged_x_.at<T>(0), x, count);
  return staged_x_.at<T>(0);
}

// In pieces, only one of which is in the backend's memory.
template <class T>
void BasicNetwork<T>::forward(const T* x, std::size_t batch, T* out) {
  if (memory().is_host()) return infer(x, batch, out);
  const std::size_t piece = inference_rows();
  for (std::size_t first = 0; first < batch; first += piece) {
    const std::size_t rows = std::min(piece, batch - first);
    const T* result = infer_piece(stage(x + first * input_shape().count(), rows), rows);
    read_from(memory(), out + first * output_shape().count(), result, rows * output_shape().count());
  }
}

// The section's parameters and buffers are the network's of the same names.
template <class T>
typename BasicNetwork<T>::Section& BasicNetwork<T>::section(const std::string& upto) {
  if (section_ && section_->upto == upto) return *section_;
  Plan<T> plan = make_plan<T>(input_shape(), layers_upto(specs_, upto), kAnyNesting, kernels_);
  const auto of_the_network = [](const std::vector<Slot>& slots, const std::vector<Slot>& all,
                                 const std::vector<T*>& pointers) {
    std::vector<T*> found;
    for (const Slot& slot : slots) {
      const auto same = [&](const Slot& other) { return other.name == slot.name; };
      found.push_back(pointers[std::size_t(std::find_if(all.begin(), all.end(), same) - all.begin())]);
    }
    return found;
  };
  std::vector<T*> parameters = of_the_network(plan.parameters, plan_.parameters, parameter_pointers_);
  std::vector<T*> buffers = of_the_network(plan.buffers, plan_.buffers, buffer_pointers_);
  section_.reset(
      new Section{upto, std::move(plan), std::move(parameters), std::move(buffers), Arena(memory()), {}});
  return *section_;
}

template <class T>
Shape BasicNetwork<T>::output_shape(const std::string& upto) {
  return section(upto).plan.output_shape;
}

template <class T>
void BasicNetwork<T>::forward(const T* x, std::size_t batch, T* out, const std::string& upto) {
  Section& part = section(upto);
  const std::size_t most = std::min(batch, piece_rows(part.plan, precision())),
                    outputs = part.plan.output_shape.count();
  forget_recorded();
  if (most > part.memory.batch) {
    reserve_scratch(part.plan.workspace_size(*kernels_, most));
    BatchMemory memory = inference_memory(part.plan, most);
    part.workspace.reserve(memory.bytes);
    part.memory = std::move(memory);
  }
  const Course course{part.plan, part.parameters, part.buffers, part.workspace, part.memory};
  for (std::size_t first = 0; first < batch; first += most) {
    const std::size_t rows = std::min(most, batch - first);
    const T* from = stage(x + first * input_shape().count(), rows);
    run_steps(course, from, rows, nullptr);
    const std::size_t id = part.plan.output;
    const T* result = id == 0 ? from : part.workspace.template at<T>(part.memory.activations[id]);
    read_from(memory(), out + first * outputs, result, rows * outputs);
  }
}

template <class T>
void BasicNetwork<T>::infer(const T* x, std::size_t batch, T* out) {
  const std::size_t piece = inference_rows();
  recorded_batch_ = 0;
  reserve_inference(std::min(batch, piece));
  for (std::size_t first = 0; first < batch; first += piece) {
    const std::size_t rows = std::min(piece, batch - first);
    const T* result = infer_piece(x + first * input_shape().count(), rows);
    memory().within(out + first * output_shape().count(), result, rows * output_shape().count() * sizeof(T));
  }
}

// The outputs of up to inference_rows() samples, valid until the next call.
template <class T>
const T* BasicNetwork<T>::infer_piece(const T* x, std::size_t rows) {
  recorded_batch_ = 0;
  reserve_inference(rows);
  {
    Interruptible work(interrupted);
    prepared_.begin(context_, plan_, parameter_pointers_.data());
    work.check();
  }
  run_steps({plan_, parameter_pointers_, buffer_pointers_, workspace_, inference_, &prepared_}, x, rows,
            nullptr);
  return plan_.output == 0 ? x : activation(inference_, plan_.output);
}

template <class T>
const T* BasicNetwork<T>::forward_training(const T* x, std::size_t batch, const StepNumber& now,
                                           const std::uint64_t* stopped) {
  recorded_batch_ = 0;
  const RandomStep step{now.seed, now.step, now.first_row};
  write_to(memory(), now_.at<RandomStep>(0), &step, 1);
  return forward_training(x, batch, now_.at<RandomStep>(0), stopped);
}

template <class T>
const T* BasicNetwork<T>::forward_training(const T* x, std::size_t batch, const RandomStep* now,
                                           const std::uint64_t* stopped) {
  recorded_batch_ = 0;
  reserve(batch);
  if (plan_.buffer_size > 0) {
    kernels_->keep(context_, stopped, plan_.buffer_size, buffer_data(), buffers_before_.at<T>(0));
  }
  recorded_x_ = x;
  recorded_batch_ = batch;
  try {
    run_steps({plan_, parameter_pointers_, buffer_pointers_, workspace_, training_}, x, batch, now);
  } catch (...) {
    undo_forward_training();
    throw;
  }
  return recorded_output();
}

template <class T>
void BasicNetwork<T>::undo_forward_training() {
  if (recorded_batch_ == 0) return;
  if (plan_.buffer_size > 0) {
    memory().within(buffer_data(), buffers_before_.at<T>(0), plan_.buffer_size * sizeof(T));
  }
  forget_recorded();
}

template <class T>
void BasicNetwork<T>::set_recorded(const RecordedForward<T>& forward) {
  prepared_.weights_change();  // by the update that the device has replayed
  recorded_x_ = forward.x;
  recorded_batch_ = forward.batch;
}

template <class T>
const T* BasicNetwork<T>::recorded_output() {
  return recorded(plan_.output);
}

template <class T>
void BasicNetwork<T>::backward(const T* grad_out, T* grad_x, bool accumulate, const GradientReady* ready) {
  if (recorded_batch_ == 0) {
    fail<ValueError>("backward: there is no forward(training=True) before it to go back through");
  }
  T* start = gradient_of(plan_.output, grad_x);
  if (grad_out != start) {
    memory().within(start, grad_out, recorded_batch_ * output_shape().count() * sizeof(T));
  }
  try {
    run_back_all(grad_x, accumulate, ready);
  } catch (...) {
    undo_forward_training();
    throw;
  }
}

template <class T>
void BasicNetwork<T>::run_back_all(T* grad_x, bool accumulate, const GradientReady* ready) {
  Interruptible work(interrupted);
  for (std::size_t i = plan_.steps.size(); i-- > 0;) {
    const Step& step = plan_.steps[i];
    if (!grad_x && !plan_.activations[step.output].trained) continue;
    work.check();
    run_back(i, grad_x, accumulate);
    if (!ready || step.parameter_count == 0 || step.frozen) continue;
    work.check();  // an interrupted layer's gradients are garbage
    report(step, *ready);
  }
  work.check();
}

template <class T>
void BasicNetwork<T>::report(const Step& step, const GradientReady& ready) const {
  const Slot& first = plan_.parameters[step.first_parameter];
  const std::size_t after = step.first_parameter + step.parameter_count;
  const std::size_t end =
      after < plan_.parameters.size() ? plan_.parameters[after].offset : plan_.parameter_size;
  ready.call(ready.context, step.path, first.offset, end - first.offset);
}

// An input's gradient that is added to others is computed separately first, unless the layer adds it itself.
template <class T>
void BasicNetwork<T>::run_back(std::size_t index, T* grad_x, bool accumulate) {
  const Step& step = plan_.steps[index];
  const Layer<T>& layer = plan_.layer_of(step);
  const std::size_t batch = recorded_batch_;
  const T* y = activation(training_, step.output);
  T* grad_y = gradient_of(step.output, grad_x);
  if (step.slope.kind != ActivationKind::kIdentity) {
    kernels_->activation_backward(context_, step.slope, batch * plan_.activations[step.output].count, nullptr,
                                  y, grad_y, grad_y);
  }
  const auto is_apart = [&](const StepInput& input) {
    return input.propagation == Propagation::kAdd && !layer.adds_to_grad_x();
  };
  for (std::size_t k = 0; k < step.inputs.size(); ++k) {
    const StepInput& input = step.inputs[k];
    const bool wanted = grad_x || plan_.activations[input.id].trained;
    inputs_[k] = layer.backward_needs_x() ? recorded(input.id) : nullptr;
    adds_[k] = input.propagation == Propagation::kAdd && layer.adds_to_grad_x();
    input_gradients_[k] = !wanted           ? nullptr
                          : is_apart(input) ? workspace_.template at<T>(training_.spare[index][k])
                                            : gradient_of(input.id, grad_x);
  }
  layer.backward(context_, {*kernels_, step.input_shapes.data(), batch, inputs_.data(),
                            layer.backward_needs_y() ? y : nullptr, grad_y, input_gradients_.data(),
                            adds_.get(), parameter_pointers_.data() + step.first_parameter,
                            gradient_pointers_.data() + step.first_parameter, accumulate, step.frozen,
                            workspace_.template at<T>(training_.saved[index])});
  for (std::size_t k = step.inputs.size(); k-- > 0;) {
    const StepInput& input = step.inputs[k];
    if (!input_gradients_[k] || !is_apart(input)) continue;
    T* const sum = gradient_of(input.id, grad_x);
    kernels_->add(context_, batch * plan_.activations[input.id].count, sum, input_gradients_[k], sum);
  }
}

template <class T>
Json BasicNetwork<T>::describe() const {
  Json::Array sizes;
  for (const std::size_t size : input_shape()) sizes.emplace_back(size);
  Json out;
  out.set("input_shape", std::move(sizes));
  out.set("dtype", dtype_name<T>());
  if (precision() == Precision::kBfloat16) out.set("precision", precision_name(precision()));
  out.set("seed", std::to_string(options_.seed));  // 64 bits do not fit a JSON integer
  if (winograd()) out.set("winograd", true);
  out.set("layers", bpnet::describe(specs_));
  return out;
}

Where Architecture::on(Where where) const {
  if (!where.precision) where.precision = precision;
  if (!where.winograd) where.winograd = winograd;
  return where;
}

Architecture architecture_from_json(const Json& description) {
  Architecture result;
  std::vector<std::size_t> sizes;
  for (const Json& size : description["input_shape"].array()) sizes.push_back(size.size());
  result.input_shape = Shape(sizes);
  result.layers = layers_from_json(description["layers"]);
  if (const Json* precision = description.find("precision")) {
    result.precision = precision_from(precision->string());
  }
  if (const Json* winograd = description.find("winograd")) result.winograd = winograd->boolean();
  if (const Json* seed = description.find("seed")) result.seed = seed->word();
  return result;
}

template class BasicNetwork<float>;
template class BasicNetwork<double>;

}  // namespace bpnet
