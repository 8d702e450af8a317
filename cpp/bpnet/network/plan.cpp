#include "bpnet/network/plan.h"

#include <algorithm>

#include "bpnet/core/arena.h"
#include "bpnet/core/error.h"
#include "bpnet/layers/activation.h"
#include "bpnet/layers/conversion.h"

namespace bpnet {
namespace {

constexpr Activation kIdentity{ActivationKind::kIdentity, 0};

template <class T>
std::size_t aligned_count(std::size_t count) {
  return align_up(checked_product("network", count, sizeof(T))) / sizeof(T);
}

template <class T>
void add_parameters(Plan<T>& plan, const Layer<T>& layer, const Shape& input, const std::string& prefix) {
  for (ParameterSpec& spec : layer.parameters(input)) {
    plan.parameters.push_back({prefix + spec.name, spec.shape, plan.parameter_size});
    plan.state_names.push_back(plan.parameters.back().name);
    plan.parameter_size = checked_sum("network", plan.parameter_size, aligned_count<T>(spec.shape.count()));
    plan.parameter_specs.push_back(std::move(spec));
  }
  for (BufferSpec& spec : layer.buffers(input)) {
    plan.buffers.push_back({prefix + spec.name, spec.shape, plan.buffer_size});
    plan.state_names.push_back(plan.buffers.back().name);
    plan.buffer_size = checked_sum("network", plan.buffer_size, aligned_count<T>(spec.shape.count()));
    plan.buffer_specs.push_back(std::move(spec));
  }
}

// An activation right after a layer that takes one needs no step of its own, if its derivative is
// known from its output.
template <class T>
bool can_fuse(const Plan<T>& plan, const Layer<T>& layer) {
  if (plan.steps.empty() || !layer.activation()) return false;
  const Step& before = plan.steps.back();
  return plan.layers[before.layer]->takes_activation() &&
         before.activation.kind == ActivationKind::kIdentity &&
         before.output + 1 == plan.activations.size() && derivative_from_output(layer.activation()->kind);
}

// A step of a layer without parameters from the newest activation to a new one.
template <class T>
void add_step(Plan<T>& plan, std::size_t layer, const Shape& output) {
  plan.steps.push_back({layer, kIdentity, plan.activations.size() - 1, plan.activations.size(),
                        plan.parameters.size(), 0, plan.buffers.size(), 0});
  plan.activations.push_back(output);
}

// Puts the newest activation, which lies as `now`, into the order that `wanted` asks for.
template <class T>
void convert(Plan<T>& plan, Layout wanted, Layout& now) {
  if (wanted == Layout::kAny || wanted == now) return;
  const Shape shape = plan.activations.back();
  if (layouts_differ(shape)) {
    plan.layers.push_back(std::make_unique<Conversion<T>>(wanted));
    add_step(plan, plan.layers.size() - 1, shape);
  }
  now = wanted;
}

}  // namespace

template <class T>
std::size_t Plan<T>::saved_size(const Step& step, std::size_t batch) const {
  return layers[step.layer]->saved_size(activations[step.input], batch);
}

template <class T>
std::size_t Plan<T>::workspace_size(const Kernels<T>& kernels, std::size_t batch) const {
  std::size_t most = 0;
  for (const Step& step : steps) {
    most = std::max(most, layers[step.layer]->workspace_size(kernels, activations[step.input], batch));
  }
  return most;
}

template <class T>
Plan<T> make_plan(const Shape& input_shape, const std::vector<LayerSpec>& specs) {
  if (input_shape.rank() == 0 || input_shape.count() == 0) {
    fail<ShapeError>("network: input_shape is ", input_shape, ", every size must be at least 1");
  }
  if (specs.empty()) fail<ValueError>("network: no layers given, at least one is needed");
  Plan<T> plan;
  plan.input_shape = input_shape;
  plan.activations.push_back(input_shape);
  for (const LayerSpec& spec : specs) plan.layers.push_back(make_layer<T>(spec));
  Layout layout = Layout::kPlain;  // of the newest activation
  for (std::size_t index = 0; index < specs.size(); ++index) {
    const Layer<T>& layer = *plan.layers[index];
    const Shape input = plan.activations.back();
    const Shape output = layer.output_shape(input);
    convert(plan, layer.layout(), layout);
    if (layer.is_view()) {
      // The id keeps its memory and takes the new shape; the input's own shape stays in input_shape.
      plan.activations.back() = output;
    } else if (can_fuse(plan, layer)) {
      plan.steps.back().activation = *layer.activation();
    } else {
      add_step(plan, index, output);
      Step& step = plan.steps.back();
      add_parameters(plan, layer, input, std::to_string(index) + ".");
      step.parameter_count = plan.parameters.size() - step.first_parameter;
      step.buffer_count = plan.buffers.size() - step.first_buffer;
    }
  }
  convert(plan, Layout::kPlain, layout);
  return plan;
}

template struct Plan<float>;
template struct Plan<double>;
template Plan<float> make_plan<float>(const Shape&, const std::vector<LayerSpec>&);
template Plan<double> make_plan<double>(const Shape&, const std::vector<LayerSpec>&);

}  // namespace bpnet
