// How the learning rate changes: a factor on the optimizer's rate, by epoch as PyTorch's schedulers
// called once an epoch, with a linear warm-up by step before it.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "bpnet/core/json.h"

namespace bpnet {

struct ConstantRate {};
struct StepDecay {  // gamma^⌊epoch / step_size⌋
  std::uint64_t step_size = 30;
  double gamma = 0.1;
};
struct MultiStepDecay {  // gamma^(number of milestones ≤ epoch)
  std::vector<std::uint64_t> milestones = {};
  double gamma = 0.1;
};
struct ExponentialDecay {  // gamma^epoch
  double gamma = 0.95;
};
struct CosineAnnealing {  // m + (1 − m) ½ (1 + cos(π epoch / epochs)), m = minimum; stays at m after
  std::uint64_t epochs = 10;
  double minimum = 0;
};
struct ReduceOnPlateau {  // × factor when the watched loss has not improved for more than patience epochs
  double factor = 0.1;
  std::uint64_t patience = 10;
  double threshold = 1e-4;  // an improvement is a loss below best · (1 − threshold)
  double minimum = 0;       // the smallest factor
};

struct Schedule {
  std::variant<ConstantRate, StepDecay, MultiStepDecay, ExponentialDecay, CosineAnnealing, ReduceOnPlateau>
      decay = {};
  std::uint64_t warmup_steps = 0;  // the rate rises linearly over these steps, × start … × 1
  double warmup_start = 0;
};

struct ScheduleState {  // saved with the trainer
  double plateau_best = 0;
  std::uint64_t plateau_bad_epochs = 0;
  double plateau_factor = 1;
  bool plateau_seen = false;
};

void check_schedule(const Schedule& schedule);

// The factor for the step numbered `step` (from 0) in epoch `epoch` (from 0).
double schedule_factor(const Schedule& schedule, const ScheduleState& state, std::uint64_t epoch,
                       std::uint64_t step);

// At an epoch's end, with the watched loss.
void schedule_epoch_end(const Schedule& schedule, ScheduleState& state, double loss);

Json describe(const Schedule& schedule);
Schedule schedule_from_json(const Json& description);
Json describe(const ScheduleState& state);
ScheduleState schedule_state_from_json(const Json& description);

}  // namespace bpnet
