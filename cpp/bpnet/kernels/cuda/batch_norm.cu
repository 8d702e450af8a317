#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {

template <class T>
void set_batch_norm(Kernels<T>&) {}

template void set_batch_norm(Kernels<float>&);
template void set_batch_norm(Kernels<double>&);

}  // namespace bpnet::cuda
