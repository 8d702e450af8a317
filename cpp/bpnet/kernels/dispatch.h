// Which backends run here, and which one to use.
#pragma once

#include <string>
#include <vector>

#include "bpnet/kernels/backend.h"

namespace bpnet {

// The backends that run here, best first; "reference" is the last that users have.
std::vector<std::string> backends();

// The backend called `name`, or for an empty name the best one, which BPNET_BACKEND overrides.
// Throws a DeviceError that lists the backends there are.
const Backend& find_backend(const std::string& name = "");

}  // namespace bpnet
