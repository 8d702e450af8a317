#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {

template <class T>
void set_softmax(Kernels<T>&) {}

template void set_softmax(Kernels<float>&);
template void set_softmax(Kernels<double>&);

}  // namespace bpnet::cuda
