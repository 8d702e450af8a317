// One activation of one element.
#pragma once

#include <cuda_runtime.h>

#include "bpnet/kernels/kernels.h"

namespace bpnet::cuda {

template <class T>
__device__ T sigmoid(T s) {
  const T e = exp(-fabs(s));  // ≤ 1, cannot overflow
  return (s >= 0 ? T(1) : e) / (1 + e);
}

// θ(s)
template <class T>
__device__ T activate(const Activation& act, T s) {
  const T parameter = T(act.parameter);
  switch (act.kind) {
    case ActivationKind::kIdentity: return s;
    case ActivationKind::kTanh: return tanh(s);
    case ActivationKind::kRelu: return s > 0 || s != s ? s : T(0);
    case ActivationKind::kLeakyRelu: return s > 0 ? s : parameter * s;
    case ActivationKind::kSigmoid: return sigmoid(s);
    case ActivationKind::kSoftplus: {
      const T z = parameter * s;
      return ((z > 0 ? z : T(0)) + log1p(exp(-fabs(z)))) / parameter;
    }
    case ActivationKind::kGelu: return T(0.5) * s * erfc(-s * T(0.70710678118654752440));
    case ActivationKind::kGeluTanh:
      return T(0.5) * s * (1 + tanh(T(0.79788456080286535588) * (s + T(0.044715) * s * s * s)));
    case ActivationKind::kSilu: return s * sigmoid(s);
  }
  return s;
}

}  // namespace bpnet::cuda
