#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {

template <class T>
void set_pooling(Kernels<T>&) {}

template void set_pooling(Kernels<float>&);
template void set_pooling(Kernels<double>&);

}  // namespace bpnet::cuda
