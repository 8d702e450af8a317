#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {

template <class T>
void set_linear(Kernels<T>&) {}

template void set_linear(Kernels<float>&);
template void set_linear(Kernels<double>&);

}  // namespace bpnet::cuda
