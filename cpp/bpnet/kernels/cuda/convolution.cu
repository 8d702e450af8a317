#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {

template <class T>
void set_convolution(Kernels<T>&) {}

template void set_convolution(Kernels<float>&);
template void set_convolution(Kernels<double>&);

}  // namespace bpnet::cuda
