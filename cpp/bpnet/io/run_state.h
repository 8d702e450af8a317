// The state of a run as JSON, as run files have it.
#pragma once

#include "bpnet/training/epoch.h"

namespace bpnet {

Json describe(const TrainerState& state);
TrainerState trainer_state_from_json(const Json& description);

}  // namespace bpnet
