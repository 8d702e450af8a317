#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {

template <class T>
void set_sums(Kernels<T>&) {}

template void set_sums(Kernels<float>&);
template void set_sums(Kernels<double>&);

}  // namespace bpnet::cuda
