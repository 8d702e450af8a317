#include "bpnet/kernels/cuda/loss_math.h"
#include "bpnet/kernels/cuda/softmax_math.h"
#include "bpnet/kernels/cuda/table.h"
#include "bpnet/kernels/cuda/total.h"

namespace bpnet::cuda {
namespace {

// This thread's part of the losses, and of the gradient: the elements of all rows in parallel.
template <class T>
struct ElementwisePart {
  LossArgs<T> a;
  T divisor;  // of a row's sum

  __device__ double operator()() const {
    const size_t step = size_t{gridDim.x} * blockDim.x, down = step / a.columns, across = step % a.columns;
    size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
    size_t row = i / a.columns, column = i % a.columns;  // of i, updated without a division
    double sum = 0;
    for (; row < a.rows; i += step) {
      const T scale = a.row_scale[row] / divisor;
      const LossTerm<T> term = loss_term(a.kind, T(a.parameter), a.output[i], a.target[i]);
      sum += double(scale) * double(term.value);
      if (a.grad_output) a.grad_output[i] = scale * term.slope;
      row += down, column += across;
      if (column >= a.columns) ++row, column -= a.columns;
    }
    return sum;
  }
};

// q = class_weight · ((1 − ε) target + ε / columns);  loss = Σ_c q_c (lse − x_c);
// gradient = (Σ_k q_k) softmax(x)_c − q_c
template <class Team, class T>
struct CrossEntropyPart {
  LossArgs<T> a;
  T smoothing, floor;  // ε, ε / columns

  __device__ T weight(size_t c) const { return a.class_weight ? a.class_weight[c] : T(1); }
  __device__ T q(size_t row, size_t c) const {
    const T target = a.label ? T(size_t(a.label[row]) == c ? 1 : 0) : a.target[row * a.columns + c];
    return weight(c) * ((1 - smoothing) * target + floor);
  }

  __device__ T q_sum(size_t row) const {
    if (a.label && smoothing == 0) return weight(size_t(a.label[row]));
    T sum = 0;
    for (size_t c = Team::member(); c < a.columns; c += Team::members()) sum += q(row, c);
    return Team::fold(sum, Plus{}, T(0));
  }

  __device__ double operator()() const {
    double sum = 0;
    for (size_t row = Team::first_row(); row < a.rows; row += Team::row_step()) {
      const T* const x = a.output + row * a.columns;
      const Exponentials<T> all = exponentials<Team>(a.columns, x);
      const T log_sum = std::log(all.sum), scale = a.row_scale[row], p_scale = q_sum(row) / all.sum;
      for (size_t c = Team::member(); c < a.columns; c += Team::members()) {
        const T here = q(row, c);
        if (here != 0) sum += double(scale) * double(here) * double(log_sum + (all.largest - x[c]));
        if (a.grad_output) {
          a.grad_output[row * a.columns + c] = scale * (std::exp(x[c] - all.largest) * p_scale - here);
        }
      }
    }
    return sum;
  }
};

size_t loss_workspace(size_t, size_t) { return kTotalWorkspace; }

template <class T>
void elementwise_loss(Context& context, const LossArgs<T>& a) {
  constexpr size_t kElements = 16;  // of a thread
  const size_t count = a.rows * a.columns;
  const size_t warps = (count + kWarp - 1) / kWarp,
               blocks = (count + kElements * kThreads - 1) / (kElements * kThreads);
  Grid grid = {1, kMostThreads, kFoldBytes};
  if (count > kElements * kMostThreads) {
    grid = {blocks < kMostParts ? blocks : kMostParts, kThreads, kFoldBytes};
  } else if (count < kMostThreads) {
    grid.threads = static_cast<unsigned>(warps < 1 ? 1 : warps) * kWarp;
  }
  const T divisor = averages_outputs(a.kind, a.parameter) ? T(a.columns) : T(1);
  launch_total(context, grid, ElementwisePart<T>{a, divisor}, a.loss);
}

template <class Team, class T>
void cross_entropy(Context& context, const LossArgs<T>& a) {
  Grid grid = lone_grid(a.rows, a.columns);
  if (grid.blocks == 0) grid = team_grid(a.rows, a.columns, kMostParts);
  const T smoothing = T(a.parameter);
  launch_total(context, grid, CrossEntropyPart<Team, T>{a, smoothing, smoothing / T(a.columns)}, a.loss);
}

template <class T>
void loss(Context& context, const LossArgs<T>& a) {
  if (a.kind != LossKind::kCrossEntropy) return elementwise_loss(context, a);
  if (a.columns <= kWidestOfWarp) return cross_entropy<WarpTeam>(context, a);
  cross_entropy<BlockTeam>(context, a);
}

}  // namespace

template <class T>
void set_loss(Kernels<T>& kernels) {
  kernels.loss_workspace = loss_workspace;
  kernels.loss = loss<T>;
}

template void set_loss(Kernels<float>&);
template void set_loss(Kernels<double>&);

}  // namespace bpnet::cuda
