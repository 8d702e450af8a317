#include "bpnet/training/loss.h"

#include <cmath>

#include "bpnet/core/error.h"

namespace bpnet {
namespace {

// In the order of the variant and of LossKind; a CustomLoss, the last, has the user's.
constexpr const char* kNames[] = {"half_squared_error",
                                  "squared_error",
                                  "mse",
                                  "mae",
                                  "huber",
                                  "cross_entropy",
                                  "binary_cross_entropy_with_logits"};
static_assert(std::size(kNames) + 1 == std::variant_size_v<Loss>);

constexpr const char* kCustom = "custom";  // in files

bool takes_logits(const Loss& loss) {
  return std::holds_alternative<CrossEntropy>(loss) ||
         std::holds_alternative<BinaryCrossEntropyWithLogits>(loss);
}

}  // namespace

LossKind loss_kind(const Loss& loss) { return static_cast<LossKind>(loss.index()); }

double loss_parameter(const Loss& loss) {
  if (const auto* huber = std::get_if<Huber>(&loss)) return huber->delta;
  if (const auto* entropy = std::get_if<CrossEntropy>(&loss)) return entropy->label_smoothing;
  if (const auto* binary = std::get_if<BinaryCrossEntropyWithLogits>(&loss)) return binary->mean_of_outputs;
  return 0;
}

const std::vector<double>& loss_class_weight(const Loss& loss) {
  static const std::vector<double> none;
  const auto* entropy = std::get_if<CrossEntropy>(&loss);
  return entropy ? entropy->class_weight : none;
}

std::string loss_name(const Loss& loss) {
  const auto* custom = std::get_if<CustomLoss>(&loss);
  return custom ? custom->name : kNames[loss.index()];
}

bool takes_labels(const Loss& loss) {
  return std::holds_alternative<CrossEntropy>(loss) || std::holds_alternative<CustomLoss>(loss);
}

std::vector<std::string> loss_names() { return {std::begin(kNames), std::end(kNames)}; }

// "outputs" is "mean", or "sum", also where it is absent: older run files do not have it.
static BinaryCrossEntropyWithLogits binary_from_json(const Json& description) {
  const Json* outputs = description.find("outputs");
  if (!outputs) return {.mean_of_outputs = false};
  const std::string& over = outputs->string();
  if (over != "mean" && over != "sum") {
    fail<ValueError>("binary_cross_entropy_with_logits: outputs is '", over, "', 'mean' or 'sum' is needed");
  }
  return {.mean_of_outputs = over == "mean"};
}

Json describe(const Loss& loss) {
  Json out;
  if (const auto* custom = std::get_if<CustomLoss>(&loss)) {
    out.set("name", kCustom);
    out.set("function", custom->name);
    return out;
  }
  out.set("name", loss_name(loss));
  if (const auto* huber = std::get_if<Huber>(&loss)) out.set("delta", huber->delta);
  if (const auto* entropy = std::get_if<CrossEntropy>(&loss)) {
    out.set("label_smoothing", entropy->label_smoothing);
    Json::Array weights(entropy->class_weight.begin(), entropy->class_weight.end());
    out.set("class_weight", std::move(weights));
  }
  const auto* binary = std::get_if<BinaryCrossEntropyWithLogits>(&loss);
  if (binary && binary->mean_of_outputs) out.set("outputs", "mean");
  return out;
}

Loss loss_from_json(const Json& description) {
  const std::string& name = description["name"].string();
  if (name == "half_squared_error") return HalfSquaredError{};
  if (name == "squared_error") return SquaredError{};
  if (name == "mse") return Mse{};
  if (name == "mae") return Mae{};
  if (name == "huber") return Huber{description["delta"].number()};
  if (name == "cross_entropy") {
    CrossEntropy loss{description["label_smoothing"].number(), {}};
    for (const Json& weight : description["class_weight"].array()) {
      loss.class_weight.push_back(weight.number());
    }
    return loss;
  }
  if (name == "binary_cross_entropy_with_logits") return binary_from_json(description);
  if (name == kCustom) return CustomLoss(description["function"].string());
  std::string known;
  for (const std::string& each : loss_names()) known += (known.empty() ? "" : ", ") + each;
  fail<ValueError>("loss: '", name, "' is not one of ", known);
}

static void check_custom(const CustomLoss& loss) {
  if (loss.name.empty()) fail<ValueError>("custom loss: its name is empty, at least one letter is needed");
  for (const std::string& name : loss_names()) {
    if (loss.name == name)
      fail<ValueError>("custom loss: '", name, "' is a loss of bpnet's; choose another name");
  }
}

void check_loss(const Loss& loss) {
  if (const auto* custom = std::get_if<CustomLoss>(&loss)) check_custom(*custom);
  if (const auto* huber = std::get_if<Huber>(&loss)) {
    if (!(huber->delta > 0 && std::isfinite(huber->delta))) {
      fail<ValueError>("huber: delta is ", huber->delta, ", a positive number is needed");
    }
  }
  if (const auto* entropy = std::get_if<CrossEntropy>(&loss)) {
    if (!(entropy->label_smoothing >= 0 && entropy->label_smoothing <= 1)) {
      fail<ValueError>("cross_entropy: label_smoothing is ", entropy->label_smoothing,
                       ", a number from 0 to 1 is needed");
    }
    for (const double weight : entropy->class_weight) {
      if (!(weight >= 0 && std::isfinite(weight))) {
        fail<ValueError>("cross_entropy: class_weight holds ", weight, ", numbers of at least 0 are needed");
      }
    }
  }
}

template <class T>
void check_loss(const Loss& loss, const BasicNetwork<T>& network) {
  check_loss(loss);
  const std::string name = loss_name(loss);
  if (const auto* custom = std::get_if<CustomLoss>(&loss)) {
    if (custom->of<T>()) return;
    fail<ValueError>("custom loss '", name, "': there is no function of ", dtype_name<T>(),
                     " for it; give one, and pass it again where a run is loaded");
  }
  if (network.output_shape().rank() != 1) {
    fail<ShapeError>(name, ": the network's output has shape ", network.output_shape(),
                     ", a flat one like (outputs,) is needed; end with a Flatten");
  }
  std::string last;  // the layer that computes the outputs
  for (const Entry& entry : network.plan().entries) {
    if (entry.type != "Flatten" && entry.type != "Dropout") last = entry.type;
  }
  if (takes_logits(loss) && (last == "Softmax" || last == "Sigmoid")) {
    fail<ValueError>(name, ": the network ends in ", last,
                     ", but this loss takes logits and applies it "
                     "itself; remove the last layer");
  }
  const std::size_t classes = network.output_shape().count(), weights = loss_class_weight(loss).size();
  if (weights != 0 && weights != classes) {
    fail<ShapeError>("cross_entropy: class_weight has ", weights, " numbers, the network has ", classes,
                     " outputs");
  }
}

template void check_loss<float>(const Loss&, const BasicNetwork<float>&);
template void check_loss<double>(const Loss&, const BasicNetwork<double>&);

}  // namespace bpnet
