// The list of all layers.
#include "bpnet/core/error.h"
#include "bpnet/layers/activation.h"
#include "bpnet/layers/convolution.h"
#include "bpnet/layers/dropout.h"
#include "bpnet/layers/flatten.h"
#include "bpnet/layers/layer.h"
#include "bpnet/layers/linear.h"
#include "bpnet/layers/merge.h"
#include "bpnet/layers/normalization.h"
#include "bpnet/layers/options.h"
#include "bpnet/layers/pooling.h"

namespace bpnet {
namespace {

template <class T>
using Maker = std::unique_ptr<Layer<T>> (*)(const Json& options);

template <class T, template <class> class Kind>
std::unique_ptr<Layer<T>> make(const Json& options) {
  return std::make_unique<Kind<T>>(options);
}

template <class T, Activation (*read)(const Json&)>
std::unique_ptr<Layer<T>> make_elementwise(const Json& options) {
  return std::make_unique<Elementwise<T>>(read(options));
}

template <class T>
struct Row {
  const char* type;
  Maker<T> maker;
};

template <class T>
constexpr Row<T> kLayers[] = {
    {"Linear", make<T, Linear>},
    {"Conv2d", make<T, Conv2d>},
    {"MaxPool2d", make<T, MaxPool2d>},
    {"AvgPool2d", make<T, AvgPool2d>},
    {"AdaptiveAvgPool2d", make<T, AdaptiveAvgPool2d>},
    {"LocalResponseNorm", make<T, LocalResponseNorm>},
    {"BatchNorm1d", make<T, BatchNorm1d>},
    {"BatchNorm2d", make<T, BatchNorm2d>},
    {"Tanh", make_elementwise<T, tanh_options>},
    {"ReLU", make_elementwise<T, relu_options>},
    {"LeakyReLU", make_elementwise<T, leaky_relu_options>},
    {"Sigmoid", make_elementwise<T, sigmoid_options>},
    {"Softplus", make_elementwise<T, softplus_options>},
    {"GELU", make_elementwise<T, gelu_options>},
    {"SiLU", make_elementwise<T, silu_options>},
    {"Softmax", make<T, Softmax>},
    {"Dropout", make<T, Dropout>},
    {"Flatten", make<T, Flatten>},
};

}  // namespace

std::vector<std::string> layer_types() {
  std::vector<std::string> types;
  for (const Row<float>& row : kLayers<float>) types.emplace_back(row.type);
  for (const char* type : {kSequential, kResidual, kParallel}) types.emplace_back(type);  // by the plan
  return types;
}

template <class T>
std::unique_ptr<Layer<T>> make_layer(const LayerSpec& spec) {
  for (const Row<T>& row : kLayers<T>) {
    if (spec.type == row.type) return row.maker(spec.options);
  }
  std::string known;
  for (const std::string& type : layer_types()) known += (known.empty() ? "" : ", ") + type;
  fail<ValueError>("network: there is no layer '", spec.type, "'; there are ", known);
}

void check_layer(const LayerSpec& spec) {
  if (spec.type == kSequential || spec.type == kResidual) {
    Options(spec.type == kResidual ? "residual" : "sequential", spec.options).finish();
  } else if (spec.type == kParallel) {
    concatenates(spec);
  } else {
    make_layer<float>(spec);
  }
  for (const LayerSpec& layer : spec.layers) check_layer(layer);
  for (const LayerSpec& layer : spec.shortcut) check_layer(layer);
}

template std::unique_ptr<Layer<float>> make_layer<float>(const LayerSpec&);
template std::unique_ptr<Layer<double>> make_layer<double>(const LayerSpec&);

}  // namespace bpnet
