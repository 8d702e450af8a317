#include "bpnet/kernels/cuda/bias_activation.h"
#include "bpnet/kernels/cuda/block.h"
#include "bpnet/kernels/cuda/column_sums.h"
#include "bpnet/kernels/cuda/launch.h"
#include "bpnet/kernels/cuda/product.h"
#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {
namespace {

constexpr unsigned kTile = 16;

// Products that no library supports: a block computes tiles of (kTile, kTile), a thread one element, summed
// in double. Sizes may be 0.
template <class T>
__global__ void product_kernel(Product p, const T* a, const T* b, T* c) {
  T* const a_tile = shared_memory<T>();            // (kTile, kTile + 1) of op(A)
  T* const b_tile = a_tile + kTile * (kTile + 1);  // (kTile, kTile + 1) of op(B)
  const unsigned y = threadIdx.x / kTile, x = threadIdx.x % kTile, at = y * (kTile + 1) + x;
  const size_t tiles_wide = (p.columns + kTile - 1) / kTile, tiles_high = (p.rows + kTile - 1) / kTile;
  for (size_t tile = blockIdx.x; tile < tiles_wide * tiles_high; tile += gridDim.x) {
    const size_t row = tile / tiles_wide * kTile + y, column = tile % tiles_wide * kTile + x;
    double sum = 0;
    for (size_t from = 0; from < p.depth; from += kTile) {
      const size_t i = from + x, j = from + y;  // of depth, in A and B
      a_tile[at] =
          row < p.rows && i < p.depth ? a[p.a_transposed ? i * p.rows + row : row * p.depth + i] : T(0);
      b_tile[at] = column < p.columns && j < p.depth
                       ? b[p.b_transposed ? column * p.depth + j : j * p.columns + column]
                       : T(0);
      __syncthreads();
      for (unsigned k = 0; k < kTile; ++k) {
        sum += double(a_tile[y * (kTile + 1) + k]) * double(b_tile[k * (kTile + 1) + x]);
      }
      __syncthreads();
    }
    if (row < p.rows && column < p.columns) {
      T& to = c[row * p.columns + column];
      to = p.accumulate ? to + T(sum) : T(sum);
    }
  }
}

template <class T>
void own_product(Context& context, const Product& p, const T* a, const T* b, T* c) {
  const size_t tiles = (p.rows + kTile - 1) / kTile * ((p.columns + kTile - 1) / kTile);
  launch(context,
         {tiles < kMostBlocks ? tiles : kMostBlocks, kTile * kTile, 2 * kTile * (kTile + 1) * sizeof(T)},
         product_kernel<T>, p, a, b, c);
}

// C = act(op(A) · op(B) + bias)
template <class T>
void product(Context& context, const Product& p, const T* a, const T* b, const T* bias, const Activation& act,
             T* c) {
  if (p.rows == 0 || p.columns == 0) return;
  const bool relu = act.kind == ActivationKind::kRelu;
  const bool simple = relu || act.kind == ActivationKind::kIdentity;
  const Epilogue<T> epilogue{simple ? bias : nullptr, relu};
  const Made made = p.depth == 0 ? Made::kNothing : library_product(context, p, a, b, epilogue, c);
  if (made == Made::kNothing) own_product(context, p, a, b, c);
  if (made != Made::kAll || !simple) add_bias_and_activate(context, p.rows, p.columns, bias, act, c);
}

size_t linear_workspace(LinearSizes s) { return column_sums_workspace(s.n, s.out); }

template <class T>
void linear_forward(Context& context, LinearSizes s, const T* x, const T* w, const T* bias, Activation act,
                    T* y) {
  product(context, {s.n, s.out, s.in, false, true, false}, x, w, bias, act, y);
}

template <class T>
void linear_backward_input(Context& context, LinearSizes s, const T* grad_y, const T* w, T* grad_x) {
  product<T>(context, {s.n, s.in, s.out, false, false, false}, grad_y, w, nullptr, {}, grad_x);
}

template <class T>
void linear_backward_weight(Context& context, LinearSizes s, const T* x, const T* grad_y, T* grad_w,
                            T* grad_bias, bool accumulate) {
  product<T>(context, {s.out, s.in, s.n, true, false, accumulate}, grad_y, x, nullptr, {}, grad_w);
  if (grad_bias) column_sums(context, {context.scratch}, s.n, s.out, grad_y, grad_bias, accumulate);
}

}  // namespace

template <class T>
void set_linear(Kernels<T>& kernels) {
  kernels.linear_workspace = linear_workspace;
  kernels.linear_forward = linear_forward<T>;
  kernels.linear_backward_input = linear_backward_input<T>;
  kernels.linear_backward_weight = linear_backward_weight<T>;
}

template void set_linear(Kernels<float>&);
template void set_linear(Kernels<double>&);

}  // namespace bpnet::cuda
