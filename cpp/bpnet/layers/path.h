// Layers by their dotted names: "features.3", "layer1.0.downsample.0".
#pragma once

#include <string>
#include <vector>

#include "bpnet/layers/spec.h"

namespace bpnet {

// The names of all layers, what nests after what holds it. A Parallel's identity has none.
std::vector<std::string> layer_paths(const std::vector<LayerSpec>& layers);

// The layers that lead to the one of this name, each under its own name: a network of them ends where that
// layer does, and its parameters are those that the whole network has under the same names. They may nest
// deeper than the whole. Throws a ValueError that lists the names there are.
std::vector<LayerSpec> layers_upto(const std::vector<LayerSpec>& layers, const std::string& path);

}  // namespace bpnet
