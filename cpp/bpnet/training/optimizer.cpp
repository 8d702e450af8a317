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

constexpr double kMost = 1e30;
constexpr double kBelowOne = 1 - 1e-16;

template <class AdamKind>
void check_adam(const char* operation, const AdamKind& adam) {
  check_range(operation, "lr", adam.learning_rate, 0, kMost);
  check_range(operation, "beta1", adam.beta1, 0, kBelowOne);
  check_range(operation, "beta2", adam.beta2, 0, kBelowOne);
  check_range(operation, "eps", adam.epsilon, 0, kMost);
  check_range(operation, "weight_decay", adam.weight_decay, 0, kMost);
}

template <class AdamKind>
AdamArgs adam_args(const AdamKind& adam, bool decay, bool decoupled) {
  return {0, adam.beta1, adam.beta2, adam.epsilon, decay ? adam.weight_decay : 0, decoupled, 1, 1};
}

template <class AdamKind>
Json describe_adam(const char* name, const AdamKind& adam) {
  return Json::Object{{"name", name},        {"lr", adam.learning_rate}, {"beta1", adam.beta1},
                      {"beta2", adam.beta2}, {"eps", adam.epsilon},      {"weight_decay", adam.weight_decay}};
}

Sgd sgd_from_json(const Json& d) {
  Sgd sgd{d["lr"].number(), d["momentum"].number(), d["weight_decay"].number(), d["nesterov"].boolean()};
  if (!d.find("lr_in_velocity")) return sgd;  // a run saved by bpnet 0.1 has none of what follows
  sgd.lr_in_velocity = d["lr_in_velocity"].boolean();
  if (!d["bias_lr"].is_null()) sgd.bias_learning_rate = d["bias_lr"].number();
  sgd.bias_rate_multiplier = d["bias_lr_multiplier"].number();
  sgd.bias_decay = d["bias_decay"].boolean();
  return sgd;
}

template <class AdamKind>
AdamKind adam_from_json(const Json& d) {
  return {d["lr"].number(), d["beta1"].number(), d["beta2"].number(), d["eps"].number(),
          d["weight_decay"].number()};
}

}  // namespace

double learning_rate(const Optimizer& optimizer) {
  return std::visit([](const auto& each) { return each.learning_rate; }, optimizer);
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
  if (const auto* sgd = std::get_if<Sgd>(&optimizer)) {
    check_range("sgd", "lr", sgd->learning_rate, 0, kMost);
    check_range("sgd", "momentum", sgd->momentum, 0, kBelowOne);
    check_range("sgd", "weight_decay", sgd->weight_decay, 0, kMost);
    if (sgd->nesterov && sgd->momentum == 0) {
      fail<ValueError>("sgd: nesterov is on but momentum is 0; give a momentum");
    }
    if (sgd->nesterov && sgd->lr_in_velocity) {
      fail<ValueError>("sgd: nesterov and lr_in_velocity are both on; leave one out");
    }
    check_range("sgd", "bias_lr_multiplier", sgd->bias_rate_multiplier, 0, kMost);
    if (sgd->bias_learning_rate) {
      check_range("sgd", "bias_lr", *sgd->bias_learning_rate, 0, kMost);
      if (sgd->bias_rate_multiplier != 1) {
        fail<ValueError>("sgd: bias_lr is ", *sgd->bias_learning_rate, " and bias_lr_multiplier is ",
                         sgd->bias_rate_multiplier, "; leave one out");
      }
    }
  } else if (const auto* rms = std::get_if<RmsProp>(&optimizer)) {
    check_range("rmsprop", "lr", rms->learning_rate, 0, kMost);
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
  const auto* sgd = std::get_if<Sgd>(&optimizer);
  if (!sgd || parameter.name != "bias") return rule;
  rule.decay = rule.decay && sgd->bias_decay;
  rule.scheduled = !sgd->bias_learning_rate;
  rule.rate *= sgd->bias_learning_rate.value_or(sgd->bias_rate_multiplier);
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

UpdateStep update_step(const Optimizer& optimizer, double learning_rate, std::uint64_t step) {
  const auto corrections = [&](const auto& adam) -> UpdateStep {
    return {learning_rate, 1 - std::pow(adam.beta1, double(step)), 1 - std::pow(adam.beta2, double(step))};
  };
  if (const auto* adam = std::get_if<Adam>(&optimizer)) return corrections(*adam);
  if (const auto* adamw = std::get_if<AdamW>(&optimizer)) return corrections(*adamw);
  return {learning_rate, 1, 1};
}

Json describe(const Optimizer& optimizer) {
  if (const auto* sgd = std::get_if<Sgd>(&optimizer)) {
    return Json::Object{{"name", "sgd"},
                        {"lr", sgd->learning_rate},
                        {"momentum", sgd->momentum},
                        {"weight_decay", sgd->weight_decay},
                        {"nesterov", sgd->nesterov},
                        {"lr_in_velocity", sgd->lr_in_velocity},
                        {"bias_lr", sgd->bias_learning_rate ? Json(*sgd->bias_learning_rate) : Json()},
                        {"bias_lr_multiplier", sgd->bias_rate_multiplier},
                        {"bias_decay", sgd->bias_decay}};
  }
  if (const auto* rms = std::get_if<RmsProp>(&optimizer)) {
    return Json::Object{
        {"name", "rmsprop"},   {"lr", rms->learning_rate},          {"alpha", rms->alpha},
        {"eps", rms->epsilon}, {"weight_decay", rms->weight_decay}, {"momentum", rms->momentum}};
  }
  if (const auto* adam = std::get_if<Adam>(&optimizer)) return describe_adam("adam", *adam);
  return describe_adam("adamw", std::get<AdamW>(optimizer));
}

Optimizer optimizer_from_json(const Json& d) {
  const std::string& name = d["name"].string();
  if (name == "sgd") {
    return sgd_from_json(d);
  }
  if (name == "adam") return adam_from_json<Adam>(d);
  if (name == "adamw") return adam_from_json<AdamW>(d);
  if (name == "rmsprop") {
    return RmsProp{d["lr"].number(), d["alpha"].number(), d["eps"].number(), d["weight_decay"].number(),
                   d["momentum"].number()};
  }
  fail<ValueError>("optimizer: '", name, "' is not one of sgd, adam, adamw, rmsprop");
}

}  // namespace bpnet
