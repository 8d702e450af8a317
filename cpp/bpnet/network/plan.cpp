#include "bpnet/network/plan.h"

#include <algorithm>
#include <utility>

#include "bpnet/core/error.h"
#include "bpnet/core/memory/arena.h"
#include "bpnet/layers/activation.h"
#include "bpnet/layers/conversion.h"
#include "bpnet/layers/merge.h"
#include "bpnet/layers/options.h"
#include "bpnet/layers/response_pool.h"

namespace bpnet {
namespace {

constexpr Activation kIdentity{ActivationKind::kIdentity, 0};

template <class T>
std::size_t aligned_count(std::size_t count) {
  return align_up(checked_product("network", count, sizeof(T))) / sizeof(T);
}

// An activation between two layers: views give one memory several shapes.
struct Value {
  std::size_t id;
  Shape shape;
  Layout layout;
};

template <class T>
class Builder {
 public:
  Builder(const Shape& input_shape, const std::vector<LayerSpec>& specs, int most_nesting,
          const Kernels<T>* kernels)
      : kernels_(kernels) {
    plan_.input_shape = input_shape;
    plan_.activations.push_back({input_shape.count(), std::nullopt, false});
    grow();
    for (const LayerSpec& spec : specs) {
      // A run's file holds the optimizer's tensors beside the network's, under this name.
      if (spec.name == "optimizer") fail<ValueError>("network: a layer may not be named 'optimizer'");
    }
    Value y = run(specs, "", {0, input_shape, Layout::kPlain}, kMaxNesting - most_nesting);
    y = converted(y, Layout::kPlain);
    plan_.output = y.id;
    plan_.output_shape = y.shape;
    plan_gradients();
    plan_slopes();
  }

  Plan<T> take() { return std::move(plan_); }

 private:
  Value run(const std::vector<LayerSpec>& specs, const std::string& prefix, Value x, int depth) {
    check_nesting(depth);
    const std::vector<std::string> names = layer_names(specs);
    for (std::size_t i = 0; i < specs.size(); ++i) {
      x = run_one(specs[i], prefix + names[i], x, depth);
    }
    return x;
  }

  Value run_one(const LayerSpec& spec, const std::string& path, const Value& x, int depth) {
    check_nesting(depth);
    const bool around = frozen_;
    frozen_ = around || !spec.trainable;
    Value y = add_one(spec, path, x, depth);
    frozen_ = around;
    return y;
  }

  Value add_one(const LayerSpec& spec, const std::string& path, const Value& x, int depth) {
    if (spec.type == kSequential) return add_sequential(spec, path, x, depth);
    if (spec.type == kResidual) return add_residual(spec, path, x, depth);
    if (spec.type == kParallel) return add_parallel(spec, path, x, depth);
    return add_layer(spec, path, x);
  }

  Value add_sequential(const LayerSpec& spec, const std::string& path, const Value& x, int depth) {
    Options("sequential", spec.options).finish();
    if (spec.layers.empty()) fail<ValueError>("sequential: no layers given, at least one is needed");
    return run(spec.layers, path + ".", x, depth + 1);
  }

  Value add_residual(const LayerSpec& spec, const std::string& path, const Value& x, int depth) {
    Options("residual", spec.options).finish();
    if (spec.layers.empty()) fail<ValueError>("residual: no layers given, at least one is needed");
    const auto is_taken = [](const LayerSpec& layer) { return layer.name == kShortcutName; };
    if (!spec.shortcut.empty() && std::any_of(spec.layers.begin(), spec.layers.end(), is_taken)) {
      fail<ValueError>("residual: a layer is named '", kShortcutName, "', which is the shortcut's name");
    }
    ++uses_[x.id];  // nothing may be fused into what the shortcut will read
    const Value body = run(spec.layers, path + ".", x, depth + 1);
    const Value other = run(spec.shortcut, path + "." + kShortcutName + ".", x, depth + 1);
    if (!(body.shape == other.shape)) {
      fail<ShapeError>("residual: the layers give ", body.shape, ", the shortcut gives ", other.shape,
                       "; they are added and must agree", where(path));
    }
    return merge(spec, path, {body, other}, false);
  }

  Value add_parallel(const LayerSpec& spec, const std::string& path, const Value& x, int depth) {
    const bool concatenates = bpnet::concatenates(spec);
    if (spec.layers.empty()) fail<ValueError>("parallel: no branches given, at least one is needed");
    ++uses_[x.id];  // nothing may be fused into what the other branches will read
    const std::vector<std::string> names = layer_names(spec.layers);
    std::vector<Value> branches;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const LayerSpec& branch = spec.layers[i];
      const bool identity = branch.type == kSequential && branch.layers.empty();
      const Value y = identity ? x : run_one(branch, path + "." + names[i], x, depth + 1);
      if (!branches.empty()) check_branch(branches[0], names[0], y, names[i], concatenates, path);
      branches.push_back(y);
    }
    return merge(spec, path, std::move(branches), concatenates);
  }

  static void check_branch(const Value& first, const std::string& first_name, const Value& y,
                           const std::string& name, bool concatenates, const std::string& path) {
    const auto same_but_channels = [&] {
      std::vector<std::size_t> a(first.shape.begin(), first.shape.end()), b(y.shape.begin(), y.shape.end());
      if (a.empty() || a.size() != b.size()) return false;
      a[0] = b[0];
      return a == b;
    };
    if (concatenates ? same_but_channels() : first.shape == y.shape) return;
    fail<ShapeError>("parallel: branch '", first_name, "' gives ", first.shape, ", branch '", name,
                     "' gives ", y.shape,
                     concatenates ? "; they are concatenated and must agree in all sizes but the first"
                                  : "; they are added and must agree",
                     where(path));
  }

  // One activation of several, all in one memory layout.
  Value merge(const LayerSpec& spec, const std::string& path, std::vector<Value> values, bool concatenates) {
    const auto is_last = [](const Value& value) { return value.layout == Layout::kChannelsLast; };
    const Layout layout =
        std::any_of(values.begin(), values.end(), is_last) ? Layout::kChannelsLast : Layout::kPlain;
    std::vector<Shape> shapes;
    for (Value& value : values) {
      value = converted(value, layout);
      shapes.push_back(value.shape);
    }
    Value y = values[0];
    if (values.size() > 1) {
      if (concatenates) {
        plan_.layers.push_back(std::make_unique<Concat<T>>(shapes, layout));
      } else {
        plan_.layers.push_back(std::make_unique<Sum<T>>(values.size()));
      }
      y.shape = plan_.layers.back()->output_shape(shapes[0]);
      y.id = add_step(plan_.layers.size() - 1, values, y.shape).output;
    }
    plan_.entries.push_back(
        {path, spec.type, std::nullopt, false, y.shape, plan_.parameters.size(), 0, frozen_});
    return y;
  }

  Value add_layer(const LayerSpec& spec, const std::string& path, Value x) {
    plan_.layers.push_back(make_layer<T>(spec));
    const std::size_t index = plan_.layers.size() - 1;
    const Layer<T>& layer = *plan_.layers.back();
    const std::uint32_t number = number_++;
    const Shape output = output_shape(layer, x.shape, path);
    if (!spec.trainable && layer.parameters(x.shape).empty() && layer.buffers(x.shape).empty()) {
      fail<ValueError>("network: '", path, "' (", spec.type, ") has no parameters; leave trainable out");
    }
    Entry entry{path, spec.type, layer.activation(), layer.is_view(), output, plan_.parameters.size(),
                0,    frozen_};
    x = converted(x, layer.layout());
    Value y{x.id, output, output.rank() >= 2 ? x.layout : Layout::kPlain};
    if (can_fuse(layer, x)) {
      plan_.steps[*plan_.activations[x.id].producer].activation = *layer.activation();
    } else if (join_pool(layer, x)) {
      plan_.activations[x.id].count = output.count();
    } else if (!layer.is_view()) {
      Step& step = add_step(index, {x}, output);
      step.number = number;
      step.path = path;
      add_parameters(layer, x.shape, path + ".");
      step.frozen = frozen_;
      if (!frozen_) note_batches(layer, x.shape, "'" + path + "' (" + spec.type + ")");
      entry.parameter_count = step.parameter_count = plan_.parameters.size() - step.first_parameter;
      step.buffer_count = plan_.buffers.size() - step.first_buffer;
      plan_.activations.back().trained |= step.parameter_count > 0 && !frozen_;
      y.id = step.output;
    }
    plan_.entries.push_back(std::move(entry));
    return y;
  }

  // The smallest batch that the layer can learn from.
  void note_batches(const Layer<T>& layer, const Shape& input, const std::string& described) {
    if (layer.least_batch(input) > plan_.least_batch.samples) {
      plan_.least_batch = {layer.least_batch(input), described};
    }
    if (layer.mixes_samples() && plan_.mixing_layer.empty()) plan_.mixing_layer = described;
  }

  Shape output_shape(const Layer<T>& layer, const Shape& input, const std::string& path) const {
    try {
      return layer.output_shape(input);
    } catch (const ShapeError& error) {
      fail<ShapeError>(error.what(), where(path));
    }
  }

  // Names one of many layers, where its number alone is ambiguous.
  static std::string where(const std::string& path) {
    const bool plain = path.find_first_not_of("0123456789") == std::string::npos;
    return plain ? "" : " (layer '" + path + "')";
  }

  // x in the layout `wanted`. An activation that several layers need in it is converted once.
  Value converted(Value x, Layout wanted) {
    if (wanted == Layout::kAny || wanted == x.layout) return x;
    x.layout = wanted;
    if (!layouts_differ(x.shape)) return x;
    if (!conversion_[x.id]) {
      plan_.layers.push_back(std::make_unique<Conversion<T>>(wanted));
      const std::size_t output = add_step(plan_.layers.size() - 1, {x}, x.shape).output;
      conversion_[x.id] = output;
      conversion_[output] = x.id;
    }
    return {*conversion_[x.id], x.shape, wanted};
  }

  // A step without parameters from the inputs to a new activation.
  Step& add_step(std::size_t layer, const std::vector<Value>& inputs, const Shape& output) {
    const std::size_t id = plan_.activations.size();
    Step step;
    step.layer = layer;
    step.output = id;
    step.first_parameter = plan_.parameters.size();
    step.first_buffer = plan_.buffers.size();
    bool trained = false;
    for (const Value& x : inputs) {
      step.inputs.push_back({x.id});
      step.input_shapes.push_back(x.shape);
      ++uses_[x.id];
      trained |= plan_.activations[x.id].trained;
    }
    plan_.activations.push_back({output.count(), plan_.steps.size(), trained});
    grow();
    return plan_.steps.emplace_back(std::move(step));
  }

  // An elementwise layer needs no separate step when it is the only consumer of the step before, which can
  // apply it, and its derivative is known from its output.
  bool can_fuse(const Layer<T>& layer, const Value& x) const {
    const auto producer = plan_.activations[x.id].producer;
    if (!layer.activation() || !producer || uses_[x.id] > 0) return false;
    const Step& before = plan_.steps[*producer];
    return plan_.layer_of(before).takes_activation() && before.activation.kind == ActivationKind::kIdentity &&
           derivative_from_output(layer.activation()->kind);
  }

  // A max pool that is the only consumer of a local response is fused with it, if there is a kernel.
  bool join_pool(const Layer<T>& layer, const Value& x) {
    const auto* pool = dynamic_cast<const MaxPool2d<T>*>(&layer);
    const auto producer = plan_.activations[x.id].producer;
    if (!kernels_ || !pool || !producer || uses_[x.id] > 0) return false;
    Step& before = plan_.steps[*producer];
    const auto* norm = dynamic_cast<const LocalResponseNorm<T>*>(&plan_.layer_of(before));
    if (!norm || !ResponsePool<T>::takes(*kernels_, norm->sizes(x.shape, 1), pool->sizes(x.shape, 1))) {
      return false;
    }
    plan_.layers.push_back(std::make_unique<ResponsePool<T>>(*norm, *pool));
    before.layer = plan_.layers.size() - 1;
    return true;
  }

  void add_parameters(const Layer<T>& layer, const Shape& input, const std::string& prefix) {
    for (ParameterSpec& spec : layer.parameters(input)) {
      add_slot(plan_.parameters, plan_.parameter_size, prefix + spec.name, spec.shape);
      if (frozen_) spec.rate = 0;
      plan_.parameter_specs.push_back(std::move(spec));
    }
    for (BufferSpec& spec : layer.buffers(input)) {
      add_slot(plan_.buffers, plan_.buffer_size, prefix + spec.name, spec.shape);
      plan_.buffer_specs.push_back(std::move(spec));
    }
  }

  void add_slot(std::vector<Slot>& slots, std::size_t& size, const std::string& name, const Shape& shape) {
    slots.push_back({name, shape, size});
    plan_.state_names.push_back(name);
    size = checked_sum("network", size, aligned_count<T>(shape.count()));
  }

  // Where a layer passes its gradient, the first input may have it in the same memory: it is visited last.
  void plan_gradients() {
    std::vector<bool> written(plan_.activations.size(), false);
    for (std::size_t i = plan_.steps.size(); i-- > 0;) {
      Step& step = plan_.steps[i];
      for (std::size_t k = step.inputs.size(); k-- > 0;) {
        StepInput& input = step.inputs[k];
        const bool shares = k == 0 && input.id != 0 && plan_.layer_of(step).passes_gradient();
        input.propagation = written[input.id] ? Propagation::kAdd
                            : shares          ? Propagation::kShare
                                              : Propagation::kWrite;
        written[input.id] = true;
      }
    }
  }

  // ReLU's derivative is applied as late as possible in forward order: after a pool there is less to
  // multiply.
  void plan_slopes() {
    std::vector<std::size_t> consumers(plan_.activations.size(), 0);
    for (const Step& step : plan_.steps) {
      for (const StepInput& input : step.inputs) ++consumers[input.id];
    }
    for (Step& step : plan_.steps) {
      step.slope = step.activation;
      const std::size_t x = step.inputs[0].id;
      if (!plan_.layer_of(step).takes_relu_slope() || consumers[x] != 1 || x == plan_.output) continue;
      if (!plan_.activations[x].producer) continue;
      Step& before = plan_.steps[*plan_.activations[x].producer];
      if (before.slope.kind == ActivationKind::kRelu) std::swap(step.slope, before.slope);
    }
  }

  void grow() {
    uses_.resize(plan_.activations.size(), 0);
    conversion_.resize(plan_.activations.size());
  }

  const Kernels<T>* kernels_;  // or null
  Plan<T> plan_;
  std::uint32_t number_ = 0;
  bool frozen_ = false;            // the layer that is being added, or one that contains it
  std::vector<std::size_t> uses_;  // by id: consumers so far, or known to come
  std::vector<std::optional<std::size_t>> conversion_;  // by id: the same in the other layout
};

}  // namespace

template <class T>
std::size_t Plan<T>::saved_size(const Step& step, std::size_t batch) const {
  return layer_of(step).saved_size(step.input_shapes[0], batch);
}

template <class T>
std::size_t Plan<T>::workspace_size(const Kernels<T>& kernels, std::size_t batch) const {
  std::size_t most = 0;
  for (const Step& step : steps) {
    most = std::max(most, layer_of(step).workspace_size(kernels, step.input_shapes[0], batch));
  }
  return most;
}

template <class T>
std::size_t Plan<T>::most_inputs() const {
  std::size_t most = 0;
  for (const Step& step : steps) most = std::max(most, step.inputs.size());
  return most;
}

template <class T>
std::size_t Plan<T>::widest() const {
  std::size_t most = 0;
  for (const ActivationSpec& activation : activations) most = std::max(most, activation.count);
  return most;
}

template <class T>
Plan<T> make_plan(const Shape& input_shape, const std::vector<LayerSpec>& specs, int most_nesting,
                  const Kernels<T>* kernels) {
  if (input_shape.rank() == 0 || input_shape.count() == 0) {
    fail<ShapeError>("network: input_shape is ", input_shape, ", every size must be at least 1");
  }
  if (specs.empty()) fail<ValueError>("network: no layers given, at least one is needed");
  return Builder<T>(input_shape, specs, most_nesting, kernels).take();
}

template struct Plan<float>;
template struct Plan<double>;
template Plan<float> make_plan<float>(const Shape&, const std::vector<LayerSpec>&, int,
                                      const Kernels<float>*);
template Plan<double> make_plan<double>(const Shape&, const std::vector<LayerSpec>&, int,
                                        const Kernels<double>*);

}  // namespace bpnet
