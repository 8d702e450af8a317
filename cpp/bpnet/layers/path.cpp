#include "bpnet/layers/path.h"

#include <algorithm>
#include <optional>

#include "bpnet/core/error.h"

namespace bpnet {
namespace {

bool is_identity(const LayerSpec& layer) { return layer.type == kSequential && layer.layers.empty(); }

void add_paths(const std::vector<LayerSpec>& layers, const std::string& prefix,
               std::vector<std::string>& paths) {
  const std::vector<std::string> names = layer_names(layers);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (is_identity(layers[i])) continue;
    const std::string path = prefix + names[i];
    paths.push_back(path);
    add_paths(layers[i].layers, path + ".", paths);
    if (layers[i].shortcut.empty()) continue;
    paths.push_back(path + "." + kShortcutName);
    add_paths(layers[i].shortcut, path + "." + kShortcutName + ".", paths);
  }
}

// "a.b.c" as "a" and "b.c"
struct Path {
  explicit Path(const std::string& path) {
    const std::size_t dot = path.find('.');
    first = path.substr(0, dot);
    if (dot != std::string::npos) rest = path.substr(dot + 1);
  }
  std::string first;
  std::optional<std::string> rest;
};

using Layers = std::optional<std::vector<LayerSpec>>;  // unset: there is no such layer

Layers upto(const std::vector<LayerSpec>& layers, const Path& path);

LayerSpec sequence(std::vector<LayerSpec> layers, const std::string& name) {
  LayerSpec spec = sequential(std::move(layers));
  spec.name = name;
  return spec;
}

// Of the layers within a Residual or a Parallel, only the branch that leads there.
Layers within(const LayerSpec& layer, const Path& path) {
  if (layer.type == kResidual && !layer.shortcut.empty() && path.first == kShortcutName) {
    Layers shortcut = path.rest ? upto(layer.shortcut, Path(*path.rest)) : Layers(layer.shortcut);
    if (!shortcut) return {};
    return Layers{{sequence(std::move(*shortcut), kShortcutName)}};
  }
  if (layer.type != kParallel) return upto(layer.layers, path);
  const std::vector<std::string> names = layer_names(layer.layers);
  const auto found = std::find(names.begin(), names.end(), path.first);
  if (found == names.end()) return {};
  const LayerSpec& branch = layer.layers[static_cast<std::size_t>(found - names.begin())];
  return upto({branch.named(path.first)}, path);
}

Layers upto(const std::vector<LayerSpec>& layers, const Path& path) {
  const std::vector<std::string> names = layer_names(layers);
  const auto found = std::find(names.begin(), names.end(), path.first);
  if (found == names.end()) return {};
  const auto index = found - names.begin();
  const LayerSpec& last = layers[static_cast<std::size_t>(index)];
  if (is_identity(last)) return {};
  std::vector<LayerSpec> result(layers.begin(), layers.begin() + index);
  if (!path.rest) {
    result.push_back(last);
    return result;
  }
  Layers inner = within(last, Path(*path.rest));
  if (!inner) return {};
  result.push_back(sequence(std::move(*inner), last.name));
  return result;
}

}  // namespace

std::vector<std::string> layer_paths(const std::vector<LayerSpec>& layers) {
  std::vector<std::string> paths;
  add_paths(layers, "", paths);
  return paths;
}

std::vector<LayerSpec> layers_upto(const std::vector<LayerSpec>& layers, const std::string& path) {
  Layers found = upto(layers, Path(path));
  if (found) return std::move(*found);
  std::string known;
  for (const std::string& each : layer_paths(layers)) known += (known.empty() ? "" : ", ") + each;
  fail<ValueError>("forward: upto is '", path, "', the network has the layers ", known);
}

}  // namespace bpnet
