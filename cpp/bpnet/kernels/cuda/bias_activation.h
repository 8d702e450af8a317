// The bias and activation after a product or a convolution, in one pass.
#pragma once

#include "bpnet/kernels/kernels.h"

namespace bpnet::cuda {

// y (rows, columns) = act(y + bias (columns,)); bias may be null
template <class T>
void add_bias_and_activate(Context&, size_t rows, size_t columns, const T* bias, const Activation&, T* y);

}  // namespace bpnet::cuda
