// Layers by their dotted names: "features.3", "layer1.0.downsample.0".
#pragma once

#include <string>
#include <vector>

#include "bpnet/layers/spec.h"

namespace bpnet {

// The names of all layers, inner ones after the layer that holds them. A Parallel's identity has none.
std::vector<std::string> layer_paths(const std::vector<LayerSpec>& layers);

// The layers up to the one of this name, each with its name: a network of them ends with that layer, and its
// parameters are those of the whole network with the same names. They may nest deeper than the whole. Throws
// a ValueError that lists the existing names.
std::vector<LayerSpec> layers_upto(const std::vector<LayerSpec>& layers, const std::string& path);

}  // namespace bpnet
