// The plan of a network, made once: a graph of steps over activations. Shapes are inferred, nested layers
// flattened to a list of steps, activations fused into the step before them, conversions inserted where the
// memory layout changes, and every parameter, buffer and activation is assigned its offset.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bpnet/layers/layer.h"

namespace bpnet {

// How a step's gradient reaches one of its inputs. Backward visits an activation's consumers, and the inputs
// of a step, in reverse order.
enum class Propagation {
  kWrite,  // the first one writes
  kAdd,    // others have written before
  kShare,  // the gradient by the output is the gradient by the input: one memory serves both
};

struct StepInput {
  std::size_t id;  // of an activation
  Propagation propagation = Propagation::kWrite;
};

// y = act(layer(inputs))
struct Step {
  std::string path;       // "features.0"; empty for a layer that the plan has inserted
  std::size_t layer = 0;  // index into Plan::layers
  std::vector<StepInput> inputs;
  // As the layer sees them: after a Flatten they differ from the activations'.
  std::vector<Shape> input_shapes;
  std::size_t output = 0;                               // id of an activation
  Activation activation{ActivationKind::kIdentity, 0};  // fused into this step
  // The activation whose derivative backward first multiplies grad_y by: the same, or that of a step before,
  // where this layer takes_relu_slope().
  Activation slope{ActivationKind::kIdentity, 0};
  bool frozen = false;              // the layer is
  std::uint32_t number = 0;         // of the layer among the user's: the key of its random masks
  std::size_t first_parameter = 0;  // index into Plan::parameters, and how many
  std::size_t parameter_count = 0;
  std::size_t first_buffer = 0;
  std::size_t buffer_count = 0;
};

struct Slot {        // a range of a flat array
  std::string name;  // "features.0.weight"
  Shape shape;
  std::size_t offset;  // in elements
};

// One of the user's layers, in the order in which they run. A Residual or Parallel is listed at its end.
struct Entry {
  std::string path;  // "features.0"
  std::string type;
  std::optional<Activation> activation;  // of an elementwise layer
  bool is_view;
  Shape output_shape;
  std::size_t first_parameter;  // index into Plan::parameters, and how many
  std::size_t parameter_count;
  bool frozen;
};

// The smallest batch that all layers can learn from, and the layer that requires it.
struct LeastBatch {
  std::size_t samples = 1;
  std::string layer = {};  // "'features.1' (BatchNorm1d)"
};

struct ActivationSpec {
  std::size_t count;                    // elements of one sample
  std::optional<std::size_t> producer;  // the step that makes it; none for the network's input
  bool trained;  // parameters that are not frozen are before it: backward must reach it
};

template <class T>
struct Plan {
  Shape input_shape;
  Shape output_shape;
  std::size_t output;  // id of the network's output
  std::vector<std::unique_ptr<Layer<T>>> layers;
  std::vector<Entry> entries;
  std::vector<Step> steps;
  std::vector<ActivationSpec> activations;  // by id; 0 is the network's input
  std::vector<ParameterSpec> parameter_specs;
  std::vector<Slot> parameters;  // beside parameter_specs
  std::vector<BufferSpec> buffer_specs;
  std::vector<Slot> buffers;
  std::vector<std::string> state_names;  // parameters and buffers in layer order
  std::size_t parameter_size = 0;        // elements of the flat array, each slot aligned
  std::size_t buffer_size = 0;
  LeastBatch least_batch;
  std::string mixing_layer;  // the first layer that mixes_samples(): "'features.1' (BatchNorm1d)", or empty

  const Layer<T>& layer_of(const Step& step) const { return *layers[step.layer]; }
  std::size_t most_inputs() const;                                                 // of a step
  std::size_t saved_size(const Step& step, std::size_t batch) const;               // elements
  std::size_t workspace_size(const Kernels<T>& kernels, std::size_t batch) const;  // bytes
  std::size_t widest() const;  // elements of the largest activation of one sample
};

// Throws when the layers do not fit together; the message names the layer. They may nest `most_nesting` deep.
// Layers for which `kernels` has a common kernel are fused; without it none are.
template <class T>
Plan<T> make_plan(const Shape& input_shape, const std::vector<LayerSpec>& layers,
                  int most_nesting = kMaxNesting, const Kernels<T>* kernels = nullptr);

}  // namespace bpnet
