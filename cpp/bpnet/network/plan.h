// The plan of a network, made once: shapes inferred, activations fused into the layer before them,
// and every parameter, buffer and activation given its place.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bpnet/layers/layer.h"

namespace bpnet {

struct Step {
  std::size_t layer;            // index into Plan::layers
  Activation activation;        // fused into this step, or identity
  std::size_t input, output;    // ids of activations
  std::size_t first_parameter;  // index into Plan::parameters, and how many
  std::size_t parameter_count;
  std::size_t first_buffer;
  std::size_t buffer_count;
};

struct Slot {        // a place in a flat array
  std::string name;  // "0.weight"
  Shape shape;
  std::size_t offset;  // in elements
};

template <class T>
struct Plan {
  Shape input_shape;
  std::vector<std::unique_ptr<Layer<T>>> layers;  // as given, then the conversions
  std::vector<Step> steps;
  std::vector<Shape> activations;  // by id, of one sample; 0 is the network's input
  std::vector<ParameterSpec> parameter_specs;
  std::vector<Slot> parameters;  // beside parameter_specs
  std::vector<BufferSpec> buffer_specs;
  std::vector<Slot> buffers;
  std::vector<std::string> state_names;  // parameters and buffers in layer order
  std::size_t parameter_size = 0;        // elements of the flat array, each slot aligned
  std::size_t buffer_size = 0;

  const Shape& output_shape() const { return activations.back(); }
  std::size_t saved_size(const Step& step, std::size_t batch) const;
  std::size_t workspace_size(const Kernels<T>& kernels, std::size_t batch) const;  // bytes
};

// Throws when the layers do not fit together; the message names the layer.
template <class T>
Plan<T> make_plan(const Shape& input_shape, const std::vector<LayerSpec>& layers);

}  // namespace bpnet
