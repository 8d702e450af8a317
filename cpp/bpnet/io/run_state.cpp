#include "bpnet/io/run_state.h"

namespace bpnet {

Json describe(const TrainerState& state) {
  return Json::Object{{"step", std::size_t(state.step)},         {"epoch", std::size_t(state.epoch)},
                      {"position", std::size_t(state.position)}, {"loss_sum", state.loss_sum},
                      {"weight_sum", state.weight_sum},          {"correct", std::size_t(state.correct)},
                      {"schedule", describe(state.schedule)}};
}

TrainerState trainer_state_from_json(const Json& d) {
  return {d["step"].size(),
          d["epoch"].size(),
          d["position"].size(),
          d["loss_sum"].number(),
          d["weight_sum"].number(),
          d["correct"].size(),
          schedule_state_from_json(d["schedule"])};
}

}  // namespace bpnet
