#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {

template <class T>
void set_activation(Kernels<T>&) {}

template void set_activation(Kernels<float>&);
template void set_activation(Kernels<double>&);

}  // namespace bpnet::cuda
