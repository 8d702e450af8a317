#include "bpnet/kernels/cuda/softmax_math.h"
#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {
namespace {

template <class Team, class T>
__global__ void softmax_forward_kernel(size_t rows, size_t columns, const T* x, T* y) {
  for (size_t row = Team::first_row(); row < rows; row += Team::row_step()) {
    const T* const from = x + row * columns;
    T* const to = y + row * columns;
    const Exponentials<T> all = exponentials<Team>(columns, from);
    const T scale = 1 / all.sum;
    for (size_t c = Team::member(); c < columns; c += Team::members()) {
      to[c] = std::exp(from[c] - all.largest) * scale;
    }
  }
}

template <class Team, class T>
__global__ void softmax_backward_kernel(size_t rows, size_t columns, const T* y, const T* grad_y, T* grad_x) {
  for (size_t row = Team::first_row(); row < rows; row += Team::row_step()) {
    const size_t begin = row * columns, end = begin + columns;
    T inner = 0;
    for (size_t i = begin + Team::member(); i < end; i += Team::members()) inner += grad_y[i] * y[i];
    inner = Team::fold(inner, Plus{}, T(0));
    for (size_t i = begin + Team::member(); i < end; i += Team::members())
      grad_x[i] = y[i] * (grad_y[i] - inner);
  }
}

template <class T>
void softmax_forward(Context& context, size_t rows, size_t columns, const T* x, T* y) {
  const auto kernel =
      columns <= kWidestOfWarp ? softmax_forward_kernel<WarpTeam, T> : softmax_forward_kernel<BlockTeam, T>;
  launch(context, team_grid(rows, columns, kMostBlocks), kernel, rows, columns, x, y);
}

template <class T>
void softmax_backward(Context& context, size_t rows, size_t columns, const T* y, const T* grad_y, T* grad_x) {
  const auto kernel =
      columns <= kWidestOfWarp ? softmax_backward_kernel<WarpTeam, T> : softmax_backward_kernel<BlockTeam, T>;
  launch(context, team_grid(rows, columns, kMostBlocks), kernel, rows, columns, y, grad_y, grad_x);
}

}  // namespace

template <class T>
void set_softmax(Kernels<T>& kernels) {
  kernels.softmax_forward = softmax_forward<T>;
  kernels.softmax_backward = softmax_backward<T>;
}

template void set_softmax(Kernels<float>&);
template void set_softmax(Kernels<double>&);

}  // namespace bpnet::cuda
