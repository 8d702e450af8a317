// A layer as described by the user: the same for float and double, and stored in a model file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bpnet/core/json.h"

namespace bpnet {

struct LayerSpec {
  std::string type;                      // "Linear"
  Json options;                          // {"out_features": 128, ...}
  std::string name = {};                 // replaces its index in dotted names; empty: none
  std::vector<LayerSpec> layers = {};    // the inner layers of a Sequential, Residual or Parallel
  std::vector<LayerSpec> shortcut = {};  // the shortcut of a Residual
  bool trainable = true;                 // false: frozen, with all layers within

  // The layer frozen: its parameters are not changed, neither updated nor decayed, and backward computes no
  // gradient by them. A BatchNorm then normalises by its running statistics in training too, and does not
  // change them.
  LayerSpec frozen() const;
  LayerSpec named(std::string given) const;  // residual({conv2d(64, {3, 3}).named("conv1"), …})
};

// The layers one after another, as one layer: "features.0.weight".
LayerSpec sequential(std::vector<LayerSpec> layers);

// y = layers(x) + shortcut(x), the shortcut x itself when it has no layers (He et al. 2016). The layers'
// names are directly under its name, the shortcut's under "downsample": "layer1.0.conv1.weight",
// "layer1.0.downsample.0.weight".
LayerSpec residual(std::vector<LayerSpec> layers, std::vector<LayerSpec> shortcut = {});

// y = the branches' outputs, added ("sum") or concatenated along the channels ("concat"), as the Inception
// blocks of Szegedy et al. 2015 and DenseNet's of Huang et al. 2017 do. An empty sequential({}) is the
// identity.
LayerSpec parallel(std::vector<LayerSpec> branches, const std::string& merge = "sum");

constexpr const char* kSequential = "Sequential";
constexpr const char* kResidual = "Residual";
constexpr const char* kParallel = "Parallel";
constexpr const char* kShortcutName = "downsample";

// As a model file stores it: {"type": …, "name": …, "trainable": false, options…, "layers": […], "shortcut":
// […]}, where "trainable" is left out unless it is false.
Json describe(const std::vector<LayerSpec>& layers);
std::vector<LayerSpec> layers_from_json(const Json& description);

// The names of siblings: as given, or the index. Throws when they cannot be part of a dotted name.
std::vector<std::string> layer_names(const std::vector<LayerSpec>& layers);

// The deepest nesting of layers, in a file and elsewhere.
constexpr int kMaxNesting = 16;
void check_nesting(int depth);

}  // namespace bpnet
