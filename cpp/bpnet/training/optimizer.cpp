#include "bpnet/training/optimizer.h"

#include <cmath>

#include "bpnet/core/error.h"

namespace bpnet {
namespace {

void check_range(const char* operation, const char* name, double value, double low, double high) {
  if (!(value >= low && value <= high)) {
    fail<ValueError>(operation, ": ", name, " is ", value, ", a number from ", low, " to ", high,
                     " is needed");
  }
}

// In the order of the variant.
constexpr const char* kNames[] = {"sgd", "adam", "adamw", "rmsprop"};
static_assert(std::size(kNames) == std::variant_size_v<Optimizer>);

void check_clip(const char* operation, const char* name, const std::optional<double>& value) {
  if (value && !(*value > 0 && std::isfinite(*value))) {
    fail<ValueError>(operation, ": ", name, " is ", *value, ", a positive number is needed");
  }
}

constexpr double kMost = 1e30;
constexpr double kBelowOne = 1 - 1e-16;

template <class AdamKind>
void check_adam(const char* operation, const AdamKind& adam) {
  check_range(operation, "lr", adam.lr, 0, kMost);
  check_range(operation, "beta1", adam.beta1, 0, kBelowOne);
  check_range(operation, "beta2", adam.beta2, 0, kBelowOne);
  check_range(operation, "eps", adam.epsilon, 0, kMost);
  check_range(operation, "weight_decay", adam.weight_decay, 0, kMost);
}

template <class AdamKind>
AdamArgs adam_args(const AdamKind& adam, bool decay, bool decoupled) {
  return {0, adam.beta1, adam.beta2, adam.epsilon, decay ? adam.weight_decay : 0, decoupled, 1, 1};
}

Json number_or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

template <class AdamKind>
Json describe_adam(const AdamKind& adam) {
  return Json::Object{{"lr", adam.lr},
                      {"beta1", adam.beta1},
                      {"beta2", adam.beta2},
                      {"eps", adam.epsilon},
                      {"weight_decay", adam.weight_decay},
                      {"bias_decay", adam.bias_decay}};
}

Json describe_options(const Adam& adam) { return describe_adam(adam); }
Json describe_options(const AdamW& adam) { return describe_adam(adam); }
Json describe_options(const Sgd& sgd) {
  return Json::Object{{"lr", sgd.lr},
                      {"momentum", sgd.momentum},
                      {"weight_decay", sgd.weight_decay},
                      {"nesterov", sgd.nesterov},
                      {"lr_in_velocity", sgd.lr_in_velocity},
                      {"bias_lr", number_or_null(sgd.bias_lr)},
                      {"bias_lr_multiplier", sgd.bias_lr_multiplier},
                      {"bias_decay", sgd.bias_decay}};
}
Json describe_options(const RmsProp& rms) {
  return Json::Object{{"lr", rms.lr},
                      {"alpha", rms.alpha},
                      {"eps", rms.epsilon},
                      {"weight_decay", rms.weight_decay},
                      {"momentum", rms.momentum},
                      {"bias_decay", rms.bias_decay}};
}

// Absent in a run file that was written before this option existed.
std::optional<double> optional_number(const Json& d, const char* key) {
  const Json* value = d.find(key);
  return value && !value->is_null() ? std::optional(value->number()) : std::nullopt;
}

bool flag_or_true(const Json& d, const char* key) {
  const Json* value = d.find(key);
  return !value || value->boolean();
}

Sgd sgd_from_json(const Json& d) {
  Sgd sgd{.lr = d["lr"].number(),
          .momentum = d["momentum"].number(),
          .weight_decay = d["weight_decay"].number(),
          .nesterov = d["nesterov"].boolean()};
  if (!d.find("lr_in_velocity")) return sgd;  // a run saved by bpnet 0.1 has none of the following
  sgd.lr_in_velocity = d["lr_in_velocity"].boolean();
  if (!d["bias_lr"].is_null()) sgd.bias_lr = d["bias_lr"].number();
  sgd.bias_lr_multiplier = d["bias_lr_multiplier"].number();
  sgd.bias_decay = d["bias_decay"].boolean();
  return sgd;
}

template <class AdamKind>
AdamKind adam_from_json(const Json& d) {
  return {.lr = d["lr"].number(),
          .beta1 = d["beta1"].number(),
          .beta2 = d["beta2"].number(),
          .epsilon = d["eps"].number(),
          .weight_decay = d["weight_decay"].number(),
          .bias_decay = flag_or_true(d, "bias_decay")};
}

}  // namespace

double initial_lr(const Optimizer& optimizer) {
  return std::visit([](const auto& each) { return each.lr; }, optimizer);
}

Optimizer with_rates(Optimizer optimizer, const Rates& rates) {
  std::visit(
      [&](auto& each) {
        each.lr = rates.lr;
        each.weight_decay = rates.weight_decay;
        if constexpr (requires { each.epsilon; }) each.epsilon = rates.epsilon;
      },
      optimizer);
  return optimizer;
}

Clipping clipping(const Optimizer& optimizer) {
  return std::visit([](const auto& each) { return Clipping{each.clip_value, each.clip_norm}; }, optimizer);
}

std::vector<std::string> optimizer_slots(const Optimizer& optimizer) {
  if (const auto* sgd = std::get_if<Sgd>(&optimizer)) {
    return sgd->momentum != 0 ? std::vector<std::string>{"momentum"} : std::vector<std::string>{};
  }
  if (const auto* rms = std::get_if<RmsProp>(&optimizer)) {
    return rms->momentum != 0 ? std::vector<std::string>{"square", "momentum"}
                              : std::vector<std::string>{"square"};
  }
  return {"mean", "square"};
}

void check_optimizer(const Optimizer& optimizer) {
  const Clipping clips = clipping(optimizer);
  check_clip(kNames[optimizer.index()], "clip_value", clips.value);
  check_clip(kNames[optimizer.index()], "clip_norm", clips.norm);
  if (const auto* sgd = std::get_if<Sgd>(&optimizer)) {
    check_range("sgd", "lr", sgd->lr, 0, kMost);
    check_range("sgd", "momentum", sgd->momentum, 0, kBelowOne);
    check_range("sgd", "weight_decay", sgd->weight_decay, 0, kMost);
    if (sgd->nesterov && sgd->momentum == 0) {
      fail<ValueError>("sgd: nesterov is on but momentum is 0; give a momentum");
    }
    if (sgd->nesterov && sgd->lr_in_velocity) {
      fail<ValueError>("sgd: nesterov and lr_in_velocity are both on; leave one out");
    }
    check_range("sgd", "bias_lr_multiplier", sgd->bias_lr_multiplier, 0, kMost);
    if (sgd->bias_lr) {
      check_range("sgd", "bias_lr", *sgd->bias_lr, 0, kMost);
      if (sgd->bias_lr_multiplier != 1) {
        fail<ValueError>("sgd: bias_lr is ", *sgd->bias_lr, " and bias_lr_multiplier is ",
                         sgd->bias_lr_multiplier, "; leave one out");
      }
    }
  } else if (const auto* rms = std::get_if<RmsProp>(&optimizer)) {
    check_range("rmsprop", "lr", rms->lr, 0, kMost);
    check_range("rmsprop", "alpha", rms->alpha, 0, 1);
    check_range("rmsprop", "eps", rms->epsilon, 0, kMost);
    check_range("rmsprop", "weight_decay", rms->weight_decay, 0, kMost);
    check_range("rmsprop", "momentum", rms->momentum, 0, kBelowOne);
  } else if (const auto* adam = std::get_if<Adam>(&optimizer)) {
    check_adam("adam", *adam);
  } else {
    check_adam("adamw", std::get<AdamW>(optimizer));
  }
}

UpdateRule update_rule(const Optimizer& optimizer, const ParameterSpec& parameter) {
  UpdateRule rule{parameter.rate, true, parameter.decay};
  if (parameter.name != "bias") return rule;
  rule.decay = rule.decay && std::visit([](const auto& each) { return each.bias_decay; }, optimizer);
  const auto* sgd = std::get_if<Sgd>(&optimizer);
  if (!sgd) return rule;
  rule.scheduled = !sgd->bias_lr;
  rule.rate *= sgd->bias_lr.value_or(sgd->bias_lr_multiplier);
  return rule;
}

UpdateArgs update_args(const Optimizer& optimizer, const UpdateRule& rule) {
  UpdateArgs args{};
  args.rate = rule.rate;
  args.scheduled = rule.scheduled;
  if (const auto* sgd = std::get_if<Sgd>(&optimizer)) {
    args.kind = UpdateKind::kSgd;
    args.sgd = {0, sgd->momentum, rule.decay ? sgd->weight_decay : 0, sgd->nesterov, sgd->lr_in_velocity};
  } else if (const auto* rms = std::get_if<RmsProp>(&optimizer)) {
    args.kind = UpdateKind::kRmsprop;
    args.rmsprop = {0, rms->alpha, rms->epsilon, rule.decay ? rms->weight_decay : 0, rms->momentum};
  } else {
    args.kind = UpdateKind::kAdam;
    args.adam = std::holds_alternative<Adam>(optimizer)
                    ? adam_args(std::get<Adam>(optimizer), rule.decay, false)
                    : adam_args(std::get<AdamW>(optimizer), rule.decay, true);
  }
  return args;
}

double weight_decay(const UpdateArgs& args) {
  switch (args.kind) {
    case UpdateKind::kSgd: return args.sgd.weight_decay;
    case UpdateKind::kAdam: return args.adam.weight_decay;
    case UpdateKind::kRmsprop: return args.rmsprop.weight_decay;
  }
  return 0;
}

UpdateStep update_step(const Optimizer& optimizer, double lr, std::uint64_t step) {
  const auto corrections = [&](const auto& adam) -> UpdateStep {
    return {lr, 1 - std::pow(adam.beta1, double(step)), 1 - std::pow(adam.beta2, double(step))};
  };
  if (const auto* adam = std::get_if<Adam>(&optimizer)) return corrections(*adam);
  if (const auto* adamw = std::get_if<AdamW>(&optimizer)) return corrections(*adamw);
  return {lr, 1, 1};
}

Json describe(const Optimizer& optimizer) {
  Json out;
  out.set("name", kNames[optimizer.index()]);
  const Json options = std::visit([](const auto& each) { return describe_options(each); }, optimizer);
  for (const auto& [key, value] : options.object()) out.set(key, value);
  const Clipping clips = clipping(optimizer);
  out.set("clip_value", number_or_null(clips.value));
  out.set("clip_norm", number_or_null(clips.norm));
  return out;
}

static Optimizer without_clipping(const Json& d) {
  const std::string& name = d["name"].string();
  if (name == "sgd") return sgd_from_json(d);
  if (name == "adam") return adam_from_json<Adam>(d);
  if (name == "adamw") return adam_from_json<AdamW>(d);
  if (name == "rmsprop") {
    return RmsProp{.lr = d["lr"].number(),
                   .alpha = d["alpha"].number(),
                   .epsilon = d["eps"].number(),
                   .weight_decay = d["weight_decay"].number(),
                   .momentum = d["momentum"].number(),
                   .bias_decay = flag_or_true(d, "bias_decay")};
  }
  fail<ValueError>("optimizer: '", name, "' is not one of sgd, adam, adamw, rmsprop");
}

Optimizer optimizer_from_json(const Json& d) {
  Optimizer optimizer = without_clipping(d);
  std::visit(
      [&](auto& each) {
        each.clip_value = optional_number(d, "clip_value");
        each.clip_norm = optional_number(d, "clip_norm");
      },
      optimizer);
  return optimizer;
}

}  // namespace bpnet
