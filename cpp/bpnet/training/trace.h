// Every number of the lecture's derivation for one sample.
#pragma once

#include <vector>

#include "bpnet/network/network.h"
#include "bpnet/training/loss.h"

namespace bpnet {

// Indexed by layer 0 … L as the lecture does; layer 0 has an x only. grad[l] is (d(l−1) + 1, d(l)),
// row 0 belonging to the constant unit; a layer without bias keeps that row although nothing is updated.
template <class T>
struct Trace {
  std::vector<std::vector<T>> s, x, delta, grad;
  double e = 0;
};

// `target` (outputs,) or `label` is null. The weights are not changed. Throws a ValueError when the
// network is not weighted layers each followed by at most one activation.
template <class T>
Trace<T> trace(BasicNetwork<T>& network, const Loss& loss, const T* x, const T* target,
               const std::int64_t* label);

}  // namespace bpnet
