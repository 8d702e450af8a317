// Convolutions of any sizes, directly by the formulas of kernels.h and summed in double: for those that no
// library supports. Weights are stored (out, in/groups, kernel height, kernel width).
#pragma once

#include "bpnet/kernels/kernels.h"

namespace bpnet::cuda {

// y = x · w, without bias and activation
template <class T>
void direct_forward(Context&, const ConvolutionSizes&, const T* x, const T* w, T* y);
template <class T>
void direct_backward_input(Context&, const ConvolutionSizes&, const T* grad_y, const T* w, T* grad_x);
template <class T>
void direct_backward_weight(Context&, const ConvolutionSizes&, const T* x, const T* grad_y, T* grad_w,
                            bool accumulate);

}  // namespace bpnet::cuda
