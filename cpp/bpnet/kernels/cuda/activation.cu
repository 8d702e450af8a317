#include "bpnet/kernels/cuda/activation_math.h"
#include "bpnet/kernels/cuda/launch.h"
#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {
namespace {

template <class T>
struct Forward {
  Activation act;
  const T* x;
  T* y;
  __device__ void operator()(size_t i) const { y[i] = activate(act, x[i]); }
};

template <class T>
struct Backward {
  Activation act;
  const T *from, *grad_y;  // from: x or y, of which the slope is known
  T* grad_x;
  __device__ void operator()(size_t i) const {
    grad_x[i] = grad_y[i] * activation_slope(act, from[i], from[i]);
  }
};

template <class T>
void activation_forward(Context& context, Activation act, size_t count, const T* x, T* y) {
  launch_each(context, count, Forward<T>{act, x, y});
}

template <class T>
void activation_backward(Context& context, Activation act, size_t count, const T* x, const T* y,
                         const T* grad_y, T* grad_x) {
  launch_each(context, count, Backward<T>{act, slope_needs_input(act.kind) ? x : y, grad_y, grad_x});
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
