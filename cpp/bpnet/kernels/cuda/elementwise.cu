#include "bpnet/kernels/cuda/launch.h"
#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {
namespace {

template <class T>
struct Multiply {
  const T *a, *b;
  T* y;
  __device__ void operator()(size_t i) const { y[i] = a[i] * b[i]; }
};

template <class T>
struct Add {
  const T *a, *b;
  T* y;
  __device__ void operator()(size_t i) const { y[i] = a[i] + b[i]; }
};

template <class T>
struct Scale {
  T factor;
  const T* x;
  T* y;
  __device__ void operator()(size_t i) const { y[i] = factor * x[i]; }
};

template <class T>
void multiply(Context& context, size_t count, const T* a, const T* b, T* y) {
  launch_each(context, count, Multiply<T>{a, b, y});
}

template <class T>
void add(Context& context, size_t count, const T* a, const T* b, T* y) {
  launch_each(context, count, Add<T>{a, b, y});
}

template <class T>
void scale(Context& context, size_t count, double factor, const T* x, T* y) {
  launch_each(context, count, Scale<T>{T(factor), x, y});
}

}  // namespace

template <class T>
void set_elementwise(Kernels<T>& kernels) {
  kernels.multiply = multiply<T>;
  kernels.add = add<T>;
  kernels.scale = scale<T>;
}

template void set_elementwise(Kernels<float>&);
template void set_elementwise(Kernels<double>&);

}  // namespace bpnet::cuda
