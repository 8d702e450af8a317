// The losses. Each is averaged over a sample's outputs where PyTorch's is (mse, mae, huber, the binary
// cross-entropy), else summed, and averaged over the batch: Σ weight · loss / Σ weight.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "bpnet/core/json.h"
#include "bpnet/kernels/kernels.h"
#include "bpnet/network/network.h"
#include "bpnet/training/custom_loss.h"

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
struct BinaryCrossEntropyWithLogits {
  bool mean_of_outputs = true;  // false: their sum, also for a run file without the option
};

using Loss = std::variant<HalfSquaredError, SquaredError, Mse, Mae, Huber, CrossEntropy,
                          BinaryCrossEntropyWithLogits, CustomLoss>;

LossKind loss_kind(const Loss& loss);
double loss_parameter(const Loss& loss);                         // the parameter documented at LossKind, or 0
const std::vector<double>& loss_class_weight(const Loss& loss);  // empty for all but cross-entropy
std::string loss_name(const Loss& loss);                         // "cross_entropy", or the user's name
bool takes_labels(const Loss& loss);                             // class indices as targets

Json describe(const Loss& loss);
Loss loss_from_json(const Json& description);  // a CustomLoss is without its function
std::vector<std::string> loss_names();         // of the built-in losses

void check_loss(const Loss& loss);  // throws a ValueError for a number out of range, or a custom loss's name

// The same, and when the loss does not fit this network: a Softmax or Sigmoid before a loss that takes
// logits, class weights that do not match the outputs, or a CustomLoss without a function of the network's
// type.
template <class T>
void check_loss(const Loss& loss, const BasicNetwork<T>& network);

}  // namespace bpnet
