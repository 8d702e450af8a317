#include "bpnet/kernels/cuda/activation_math.h"
#include "bpnet/kernels/cuda/map.h"
#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {
namespace {

struct Forward {
  Activation act;
  template <class T>
  __device__ T operator()(T x) const {
    return activate(act, x);
  }
};

struct Backward {
  Activation act;
  template <class T>
  __device__ T operator()(T from, T grad_y) const {  // from: x or y, whichever gives the derivative
    return grad_y * activation_slope(act, from, from);
  }
};

template <class T>
void activation_forward(Context& context, Activation act, size_t count, const T* x, T* y) {
  launch_map(context, count, Forward{act}, y, x);
}

template <class T>
void activation_backward(Context& context, Activation act, size_t count, const T* x, const T* y,
                         const T* grad_y, T* grad_x) {
  launch_map(context, count, Backward{act}, grad_x, slope_needs_input(act.kind) ? x : y, grad_y);
}

}  // namespace

template <class T>
void set_activation(Kernels<T>& kernels) {
  kernels.activation_forward = activation_forward<T>;
  kernels.activation_backward = activation_backward<T>;
}

template void set_activation(Kernels<float>&);
template void set_activation(Kernels<double>&);

}  // namespace bpnet::cuda
