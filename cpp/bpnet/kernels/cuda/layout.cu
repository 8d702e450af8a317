#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {

template <class T>
void set_layout(Kernels<T>&) {}

template void set_layout(Kernels<float>&);
template void set_layout(Kernels<double>&);

}  // namespace bpnet::cuda
