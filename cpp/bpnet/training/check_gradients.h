// Back-propagation against central differences, in double.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bpnet/network/network.h"
#include "bpnet/training/dataset.h"
#include "bpnet/training/loss.h"

namespace bpnet {

// For each parameter that is not frozen: max |a − b| / max |b| over its elements, a by back-propagation and b
// by central differences of the batch's loss. Random masks are held fixed. The network is left as it was. A
// kink (ReLU at 0) within the difference step also shows as an error.
std::vector<std::pair<std::string, double>> check_gradients(NetworkF64& network, const Loss& loss,
                                                            const Dataset<double>& data);

}  // namespace bpnet
