// The losses. Each is summed over a sample's outputs (mse, mae and huber: averaged, as PyTorch's) and
// averaged over the batch: Σ weight · loss / Σ weight.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "bpnet/core/json.h"
#include "bpnet/kernels/kernels.h"
#include "bpnet/network/network.h"

namespace bpnet {

struct HalfSquaredError {};  // ½ Σ (x − y)²: its delta is exactly the lecture's
struct SquaredError {};      // Σ (x − y)²
struct Mse {};
struct Mae {};
struct Huber {
  double delta = 1;
};
struct CrossEntropy {  // takes logits; class indices or probabilities as targets
  double label_smoothing = 0;
  std::vector<double> class_weight = {};  // one per class, or empty
};
struct BinaryCrossEntropyWithLogits {};

using Loss =
    std::variant<HalfSquaredError, SquaredError, Mse, Mae, Huber, CrossEntropy, BinaryCrossEntropyWithLogits>;

LossKind loss_kind(const Loss& loss);
double loss_parameter(const Loss& loss);  // Huber's delta, cross-entropy's smoothing, else 0
const std::vector<double>& loss_class_weight(const Loss& loss);  // empty for all but cross-entropy
std::string loss_name(const Loss& loss);                         // "cross_entropy"

Json describe(const Loss& loss);
Loss loss_from_json(const Json& description);
std::vector<std::string> loss_names();

void check_loss(const Loss& loss);  // throws a ValueError for a number out of range

// The same, and when the loss cannot follow this network: a Softmax or Sigmoid before a loss that takes
// logits, or class weights that do not match the outputs.
template <class T>
void check_loss(const Loss& loss, const BasicNetwork<T>& network);

}  // namespace bpnet
