#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {

template <class T>
void set_optimizer(Kernels<T>&) {}

template void set_optimizer(Kernels<float>&);
template void set_optimizer(Kernels<double>&);

}  // namespace bpnet::cuda
