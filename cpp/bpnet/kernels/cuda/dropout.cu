#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {

template <class T>
void set_dropout(Kernels<T>&) {}

template void set_dropout(Kernels<float>&);
template void set_dropout(Kernels<double>&);

}  // namespace bpnet::cuda
