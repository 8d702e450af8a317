// Which backends run here, and which one to use.
#pragma once

#include <string>
#include <vector>

#include "bpnet/kernels/backend.h"

namespace bpnet {

// The backends that run here, best first; "reference" is the last that users have.
std::vector<std::string> backends();

// The processor's backend called `name`, or for an empty name the best one, which BPNET_BACKEND overrides; or that of
// the GPU that `device` names: "cuda" or "cuda:1". Throws a ValueError where both are given or the device has no
// such form, and a DeviceError that lists the backends there are or says what a GPU needs.
const Backend& find_backend(const std::string& name = "", const std::string& device = "cpu");

}  // namespace bpnet
