#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {

template <class T>
void set_online(Kernels<T>&) {}

template void set_online(Kernels<float>&);
template void set_online(Kernels<double>&);

}  // namespace bpnet::cuda
