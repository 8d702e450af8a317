// Which backends this processor can run, and which one to use.
#pragma once

#include <string>
#include <vector>

#include "bpnet/kernels/kernels.h"

namespace bpnet {

// The backends that run here, best first; "reference" is always the last.
std::vector<std::string> backends();

// The table called `name`, or for an empty name the best one, which BPNET_BACKEND overrides.
// Throws a DeviceError that lists the backends there are.
template <class T>
const Kernels<T>& kernels(const std::string& name = "");

extern template const Kernels<float>& kernels<float>(const std::string&);
extern template const Kernels<double>& kernels<double>(const std::string&);

}  // namespace bpnet
