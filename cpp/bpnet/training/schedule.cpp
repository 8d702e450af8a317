#include "bpnet/training/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "bpnet/core/error.h"

namespace bpnet {
namespace {

void check_factor(const char* operation, const char* name, double value) {
  if (!(value > 0 && value <= 1)) {
    fail<ValueError>(operation, ": ", name, " is ", value, ", a number above 0 and up to 1 is needed");
  }
}

double decay_factor(const Schedule& schedule, const ScheduleState& state, std::uint64_t epoch) {
  if (const auto* step = std::get_if<StepDecay>(&schedule.decay)) {
    const std::uint64_t times = epoch / step->step_size;
    return std::pow(step->gamma, double(times));
  }
  if (const auto* multi = std::get_if<MultiStepDecay>(&schedule.decay)) {
    const auto passed = std::count_if(multi->milestones.begin(), multi->milestones.end(),
                                      [&](std::uint64_t milestone) { return milestone <= epoch; });
    return std::pow(multi->gamma, double(passed));
  }
  if (const auto* exponential = std::get_if<ExponentialDecay>(&schedule.decay)) {
    return std::pow(exponential->gamma, double(epoch));
  }
  if (const auto* cosine = std::get_if<CosineAnnealing>(&schedule.decay)) {
    const double turn = double(std::min(epoch, cosine->epochs)) / double(cosine->epochs);
    return cosine->minimum + (1 - cosine->minimum) * 0.5 * (1 + std::cos(std::numbers::pi * turn));
  }
  return std::holds_alternative<ReduceOnPlateau>(schedule.decay) ? state.plateau_factor : 1.0;
}

}  // namespace

void check_schedule(const Schedule& schedule) {
  if (const auto* step = std::get_if<StepDecay>(&schedule.decay)) {
    check_factor("step schedule", "gamma", step->gamma);
    if (step->step_size < 1) fail<ValueError>("step schedule: step_size is 0, at least 1 is needed");
  } else if (const auto* multi = std::get_if<MultiStepDecay>(&schedule.decay)) {
    check_factor("multi-step schedule", "gamma", multi->gamma);
  } else if (const auto* exponential = std::get_if<ExponentialDecay>(&schedule.decay)) {
    check_factor("exponential schedule", "gamma", exponential->gamma);
  } else if (const auto* cosine = std::get_if<CosineAnnealing>(&schedule.decay)) {
    if (cosine->epochs < 1) fail<ValueError>("cosine schedule: 0 epochs, at least 1 is needed");
    if (!(cosine->minimum >= 0 && cosine->minimum <= 1)) {
      fail<ValueError>("cosine schedule: the smallest factor is ", cosine->minimum, ", 0 to 1 is needed");
    }
  } else if (const auto* plateau = std::get_if<ReduceOnPlateau>(&schedule.decay)) {
    check_factor("plateau schedule", "factor", plateau->factor);
    if (!(plateau->threshold >= 0 && plateau->threshold < 1)) {
      fail<ValueError>("plateau schedule: threshold is ", plateau->threshold, ", 0 to below 1 is needed");
    }
    if (!(plateau->minimum >= 0 && plateau->minimum <= 1)) {
      fail<ValueError>("plateau schedule: the smallest factor is ", plateau->minimum, ", 0 to 1 is needed");
    }
  }
  if (!(schedule.warmup_start >= 0 && schedule.warmup_start <= 1)) {
    fail<ValueError>("warm-up: start is ", schedule.warmup_start, ", a factor from 0 to 1 is needed");
  }
}

double schedule_factor(const Schedule& schedule, const ScheduleState& state, std::uint64_t epoch,
                       std::uint64_t step) {
  const double factor = decay_factor(schedule, state, epoch);
  if (step >= schedule.warmup_steps) return factor;
  // The first step already has an increased rate: step t of n has start + (1 − start)(t + 1) / n.
  const double part = double(step + 1) / double(schedule.warmup_steps);
  return factor * (schedule.warmup_start + (1 - schedule.warmup_start) * part);
}

void schedule_epoch_end(const Schedule& schedule, ScheduleState& state, double loss) {
  const auto* plateau = std::get_if<ReduceOnPlateau>(&schedule.decay);
  if (!plateau) return;
  // PyTorch's comparison, also of losses that are negative or not finite: NaN improves nothing.
  const double best = state.plateau_seen ? state.plateau_best : std::numeric_limits<double>::infinity();
  if (loss < best * (1 - plateau->threshold)) {
    state.plateau_seen = true;
    state.plateau_best = loss;
    state.plateau_bad_epochs = 0;
  } else if (++state.plateau_bad_epochs > plateau->patience) {
    state.plateau_factor = std::max(state.plateau_factor * plateau->factor, plateau->minimum);
    state.plateau_bad_epochs = 0;
  }
}

Json describe(const Schedule& schedule) {
  Json out;
  if (const auto* step = std::get_if<StepDecay>(&schedule.decay)) {
    out = Json::Object{{"name", "step"}, {"step_size", std::size_t(step->step_size)}, {"gamma", step->gamma}};
  } else if (const auto* multi = std::get_if<MultiStepDecay>(&schedule.decay)) {
    Json::Array milestones;
    for (const std::uint64_t milestone : multi->milestones) milestones.emplace_back(std::size_t(milestone));
    out =
        Json::Object{{"name", "multi_step"}, {"milestones", std::move(milestones)}, {"gamma", multi->gamma}};
  } else if (const auto* exponential = std::get_if<ExponentialDecay>(&schedule.decay)) {
    out = Json::Object{{"name", "exponential"}, {"gamma", exponential->gamma}};
  } else if (const auto* cosine = std::get_if<CosineAnnealing>(&schedule.decay)) {
    out = Json::Object{
        {"name", "cosine"}, {"epochs", std::size_t(cosine->epochs)}, {"minimum", cosine->minimum}};
  } else if (const auto* plateau = std::get_if<ReduceOnPlateau>(&schedule.decay)) {
    out = Json::Object{{"name", "plateau"},
                       {"factor", plateau->factor},
                       {"patience", std::size_t(plateau->patience)},
                       {"threshold", plateau->threshold},
                       {"minimum", plateau->minimum}};
  } else {
    out = Json::Object{{"name", "constant"}};
  }
  out.set("warmup_steps", std::size_t(schedule.warmup_steps));
  out.set("warmup_start", schedule.warmup_start);
  return out;
}

Schedule schedule_from_json(const Json& d) {
  Schedule schedule;
  const std::string& name = d["name"].string();
  if (name == "step") {
    schedule.decay = StepDecay{d["step_size"].size(), d["gamma"].number()};
  } else if (name == "multi_step") {
    MultiStepDecay multi{{}, d["gamma"].number()};
    for (const Json& milestone : d["milestones"].array()) multi.milestones.push_back(milestone.size());
    schedule.decay = multi;
  } else if (name == "exponential") {
    schedule.decay = ExponentialDecay{d["gamma"].number()};
  } else if (name == "cosine") {
    schedule.decay = CosineAnnealing{d["epochs"].size(), d["minimum"].number()};
  } else if (name == "plateau") {
    schedule.decay = ReduceOnPlateau{d["factor"].number(), d["patience"].size(), d["threshold"].number(),
                                     d["minimum"].number()};
  } else if (name != "constant") {
    fail<ValueError>("schedule: '", name,
                     "' is not one of constant, step, multi_step, exponential, cosine, plateau");
  }
  schedule.warmup_steps = d["warmup_steps"].size();
  schedule.warmup_start = d["warmup_start"].number();
  return schedule;
}

Json describe(const ScheduleState& state) {
  return Json::Object{{"plateau_best", state.plateau_best},
                      {"plateau_bad_epochs", std::size_t(state.plateau_bad_epochs)},
                      {"plateau_factor", state.plateau_factor},
                      {"plateau_seen", state.plateau_seen}};
}

ScheduleState schedule_state_from_json(const Json& d) {
  const double best = d["plateau_best"].number();  // NaN in some older run files: none yet
  return {best, d["plateau_bad_epochs"].size(), d["plateau_factor"].number(),
          d["plateau_seen"].boolean() && !std::isnan(best)};
}

}  // namespace bpnet
