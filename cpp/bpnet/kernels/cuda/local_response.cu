#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {

template <class T>
void set_local_response(Kernels<T>&) {}

template void set_local_response(Kernels<float>&);
template void set_local_response(Kernels<double>&);

}  // namespace bpnet::cuda
