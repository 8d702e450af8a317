#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {

template <class T>
void set_loss(Kernels<T>&) {}

template void set_loss(Kernels<float>&);
template void set_loss(Kernels<double>&);

}  // namespace bpnet::cuda
