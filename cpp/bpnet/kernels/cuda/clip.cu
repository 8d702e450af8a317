#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {

template <class T>
void set_clip(Kernels<T>&) {}

template void set_clip(Kernels<float>&);
template void set_clip(Kernels<double>&);

}  // namespace bpnet::cuda
