// The optimizers, with PyTorch's semantics and defaults; formulas are in kernels.h.
//
// Each may clip the gradients before its update: every element to −clip_value … clip_value first, as
// torch.nn.utils.clip_grad_value_ does; then all by min(1, clip_norm / (‖g‖ + 10⁻⁶)), ‖g‖ being the L2 norm
// of all trained parameters' gradients together, as clip_grad_norm_ does.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bpnet/core/json.h"
#include "bpnet/kernels/kernels.h"
#include "bpnet/layers/layer.h"

namespace bpnet {

struct Sgd {
  double lr = 0.01;
  double momentum = 0;
  double weight_decay = 0;
  bool nesterov = false;
  bool lr_in_velocity = false;  // the paper's form of 2012; another update where the rate changes
  // Of the parameters named bias: a constant rate that no schedule changes, or a multiple of the others'
  // rate (Krizhevsky's code: 0.02; Caffe: 2), and whether they decay.
  std::optional<double> bias_lr = {};
  double bias_lr_multiplier = 1;
  bool bias_decay = true;
  std::optional<double> clip_value = {}, clip_norm = {};
};
struct Adam {  // Kingma and Ba 2015; weight_decay is added to the gradient
  double lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  bool bias_decay = true;
  std::optional<double> clip_value = {}, clip_norm = {};
};
struct AdamW {  // Loshchilov and Hutter 2019; weight_decay shrinks the weights themselves
  double lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 1e-2;
  bool bias_decay = true;
  std::optional<double> clip_value = {}, clip_norm = {};
};
struct RmsProp {
  double lr = 1e-2;
  double alpha = 0.99;
  double epsilon = 1e-8;
  double weight_decay = 0;
  double momentum = 0;
  bool bias_decay = true;
  std::optional<double> clip_value = {}, clip_norm = {};
};

using Optimizer = std::variant<Sgd, Adam, AdamW, RmsProp>;

double initial_lr(const Optimizer& optimizer);
// Numbers of the optimizer that a caller may change between steps.
struct Rates {
  double lr, weight_decay;
  double epsilon;  // SGD has none
};
Optimizer with_rates(Optimizer optimizer, const Rates& rates);
std::vector<std::string> optimizer_slots(const Optimizer& optimizer);  // names of its state arrays
void check_optimizer(const Optimizer& optimizer);  // throws a ValueError for a number out of range

struct Clipping {
  std::optional<double> value, norm;
  explicit operator bool() const { return value || norm; }
};
Clipping clipping(const Optimizer& optimizer);

// How one parameter is updated.
struct UpdateRule {
  double rate;  // times the schedule's rate; itself the rate unless `scheduled`
  bool scheduled;
  bool decay;

  double at(double lr) const { return scheduled ? rate * lr : rate; }
  bool operator==(const UpdateRule&) const = default;
};
UpdateRule update_rule(const Optimizer& optimizer, const ParameterSpec& parameter);

// The argument of kernels, without a step's rate and corrections.
UpdateArgs update_args(const Optimizer& optimizer, const UpdateRule& rule);
double weight_decay(const UpdateArgs& args);
// The kernels' arguments for a step, counted from 1.
UpdateStep update_step(const Optimizer& optimizer, double lr, std::uint64_t step);

Json describe(const Optimizer& optimizer);
Optimizer optimizer_from_json(const Json& description);

}  // namespace bpnet
