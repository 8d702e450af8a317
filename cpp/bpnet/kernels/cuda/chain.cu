#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {

template <class T>
void set_chain(Kernels<T>&) {}

template void set_chain(Kernels<float>&);
template void set_chain(Kernels<double>&);

}  // namespace bpnet::cuda
