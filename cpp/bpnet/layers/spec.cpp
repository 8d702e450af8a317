#include "bpnet/layers/spec.h"

#include <set>

#include "bpnet/core/error.h"

namespace bpnet {

LayerSpec LayerSpec::named(std::string given) const {
  LayerSpec copy = *this;
  copy.name = std::move(given);
  if (copy.name.empty()) fail<ValueError>("network: a layer's name is empty, at least one letter is needed");
  return copy;
}

LayerSpec LayerSpec::frozen() const {
  LayerSpec copy = *this;
  copy.trainable = false;
  return copy;
}

LayerSpec sequential(std::vector<LayerSpec> layers) {
  LayerSpec spec{kSequential, {}};
  spec.layers = std::move(layers);
  return spec;
}

LayerSpec residual(std::vector<LayerSpec> layers, std::vector<LayerSpec> shortcut) {
  LayerSpec spec{kResidual, {}};
  spec.layers = std::move(layers);
  spec.shortcut = std::move(shortcut);
  return spec;
}

LayerSpec parallel(std::vector<LayerSpec> branches, const std::string& merge) {
  LayerSpec spec{kParallel, Json::Object{{"merge", merge}}};
  spec.layers = std::move(branches);
  return spec;
}

void check_nesting(int depth) {
  if (depth > kMaxNesting) {
    fail<ValueError>("network: layers are nested more than ", kMaxNesting, " deep");
  }
}

std::vector<std::string> layer_names(const std::vector<LayerSpec>& layers) {
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (const LayerSpec& layer : layers) {
    const std::string& name =
        names.emplace_back(layer.name.empty() ? std::to_string(names.size()) : layer.name);
    if (name.find('.') != std::string::npos) {
      fail<ValueError>("network: a layer is named '", name, "'; a dot would end the name, leave it out");
    }
    if (!taken.insert(name).second) {
      fail<ValueError>("network: two layers side by side are named '", name,
                       "', each needs a name of its own");
    }
  }
  return names;
}

static Json describe_one(const LayerSpec& spec) {
  Json out;
  out.set("type", spec.type);
  if (!spec.name.empty()) out.set("name", spec.name);
  if (!spec.trainable) out.set("trainable", false);
  if (spec.options.is_object()) {
    for (const auto& [key, value] : spec.options.object()) out.set(key, value);
  }
  if (!spec.layers.empty()) out.set("layers", describe(spec.layers));
  if (!spec.shortcut.empty()) out.set("shortcut", describe(spec.shortcut));
  return out;
}

Json describe(const std::vector<LayerSpec>& layers) {
  Json::Array list;
  for (const LayerSpec& spec : layers) list.push_back(describe_one(spec));
  return list;
}

static std::vector<LayerSpec> layers_from_json(const Json& description, int depth) {
  check_nesting(depth);
  std::vector<LayerSpec> layers;
  for (const Json& item : description.array()) {
    LayerSpec spec{item["type"].string(), {}};
    const bool nests = spec.type == kSequential || spec.type == kResidual || spec.type == kParallel;
    for (const auto& [key, value] : item.object()) {
      if (key == "type") continue;
      if (key == "name") {
        spec = spec.named(value.string());
      } else if (key == "trainable") {
        spec.trainable = value.boolean();
      } else if (nests && key == "layers") {
        spec.layers = layers_from_json(value, depth + 1);
      } else if (spec.type == kResidual && key == "shortcut") {
        spec.shortcut = layers_from_json(value, depth + 1);
      } else {
        spec.options.set(key, value);
      }
    }
    layers.push_back(std::move(spec));
  }
  return layers;
}

std::vector<LayerSpec> layers_from_json(const Json& description) { return layers_from_json(description, 0); }

}  // namespace bpnet
