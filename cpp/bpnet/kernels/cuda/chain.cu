// A batch of a narrow chain in one launch: forward, loss and backward of a slice of samples by a block that
// keeps activations and weights in shared memory. A large batch has slices for many blocks, whose gradients a
// second launch sums, block by block.
//
// A slice is stored (features, samples). A thread computes four samples of an output at a time: it reads four
// inputs as one vector and one weight for four multiplications, so shared memory's 128 bytes per cycle
// suffice for about 64 of the 128 multiply-adds per cycle of a multiprocessor; the sums of weights' gradients
// read five vectors for sixteen multiply-adds. 16-64-64-2 with 32 samples has half a million of them, some
// 10,000 cycles of one block, and 11 barriers.
#include "bpnet/kernels/cuda/block.h"
#include "bpnet/kernels/cuda/chain_plan.h"
#include "bpnet/kernels/cuda/row_loss.h"
#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {
namespace {

// Samples side by side.
template <class T>
struct alignas(16) Quad {
  T of[kRowsAtOnce];
};

// The layout of a weight matrix: element (row, column) is at row · row_step + column · column_step.
template <class T>
struct Weights {
  const T* data;
  size_t row_step, column_step;
};

// All threads call each of the functions.
template <class T>
class ChainBlock {
 public:
  __device__ explicit ChainBlock(const ChainRun<T>& run) : run_(run), shared_(shared_memory<T>()) {}

  __device__ void run() {
    if (run_.holds_weights) load_weights();
    const size_t begin = blockIdx.x * run_.slices / run_.blocks;
    const size_t end = (blockIdx.x + 1) * run_.slices / run_.blocks;
    double loss = 0;
    for (size_t slice = begin; slice < end; ++slice) {
      __syncthreads();  // other threads may still read the last slice
      first_ = slice * run_.rows;
      rows_ = run_.loss.rows - first_ < run_.rows ? unsigned(run_.loss.rows - first_) : run_.rows;
      load_input();
      __syncthreads();
      for (size_t l = 0; l < run_.depth; ++l) forward(l);
      loss_of_slice();
      loss += sum_of_losses();
      backward(slice > begin);
    }
    if (threadIdx.x == 0) *(run_.blocks == 1 ? run_.loss.loss : run_.losses + blockIdx.x) = loss;
  }

 private:
  __device__ Weights<T> weights_of(const ChainPart<T>& part) const {
    if (run_.holds_weights) return {shared_ + part.weight, part.layer.in | 1, 1};
    return {part.layer.weight, part.layer.in, 1};
  }
  __device__ const T* input_of(size_t l) const { return shared_ + (l ? run_.links[l - 1].y : run_.x_at); }

  __device__ void load_weights() {
    for (size_t l = 0; l < run_.depth; ++l) {
      const ChainPart<T>& part = run_.links[l];
      const unsigned in = unsigned(part.layer.in), out = unsigned(part.layer.out);
      for (unsigned i = threadIdx.x; part.layer.weight && i < in * out; i += blockDim.x) {
        shared_[part.weight + i / in * (in | 1) + i % in] = part.layer.weight[i];
      }
      for (unsigned i = threadIdx.x; part.layer.bias && i < out; i += blockDim.x) {
        shared_[part.bias + i] = part.layer.bias[i];
      }
    }
  }

  // Missing rows of the last slice are 0 in every array.
  __device__ void load_input() {
    const unsigned in = unsigned(run_.links[0].layer.in);
    const T* const x = run_.x + first_ * in;
    for (unsigned i = threadIdx.x; i < in * run_.rows; i += blockDim.x) {
      const unsigned row = i / in, column = i % in;
      shared_[run_.x_at + column * run_.stride + row] = row < rows_ ? x[i] : T(0);
    }
  }

  // finish(o, row, Σ_k w(o, k) · b (k, row)) for o below `outs` and each row of the slice; `b` has `depth`
  // features.
  template <class Finish>
  __device__ void product(const Weights<T>& w, size_t outs, size_t depth, const T* b,
                          const Finish& finish) const {
    const unsigned items = unsigned(outs) << run_.log2_quads, quads = 1u << run_.log2_quads;
    for (unsigned item = threadIdx.x; item < items; item += blockDim.x) {
      const unsigned o = item >> run_.log2_quads, row = (item & (quads - 1)) * kRowsAtOnce;
      const T *weight = w.data + o * w.row_step, *column = b + row;
      Quad<T> sum = {};
#pragma unroll 4
      for (size_t k = 0; k < depth; ++k, weight += w.column_step, column += run_.stride) {
        const Quad<T> x = *reinterpret_cast<const Quad<T>*>(column);
#pragma unroll
        for (unsigned u = 0; u < kRowsAtOnce; ++u) sum.of[u] += *weight * x.of[u];
      }
#pragma unroll
      for (unsigned u = 0; u < kRowsAtOnce; ++u) finish(o, row + u, sum.of[u]);
    }
  }

  __device__ void store_activation(const ChainPart<T>& part, unsigned o, unsigned row, T s) const {
    const unsigned at = o * run_.stride + row;
    if (part.s != part.y && part.layer.weight) shared_[part.s + at] = row < rows_ ? s : T(0);
    shared_[part.y + at] = row < rows_ ? activate(part.layer.activation, s) : T(0);
  }
  // d loss / d s from d loss / d y
  __device__ T through_activation(const ChainPart<T>& part, unsigned o, unsigned row, T grad) const {
    const unsigned at = o * run_.stride + row;
    if (row >= rows_) return 0;
    return grad * activation_slope(part.layer.activation, shared_[part.s + at], shared_[part.y + at]);
  }

  __device__ void forward(size_t l) const {
    const ChainPart<T>& part = run_.links[l];
    if (part.layer.weight) {
      const T* const bias = run_.holds_weights ? shared_ + part.bias : part.layer.bias;
      product(weights_of(part), part.layer.out, part.layer.in, input_of(l),
              [&](unsigned o, unsigned row, T sum) {
                store_activation(part, o, row, part.layer.bias ? sum + bias[o] : sum);
              });
    } else {
      const T* const x = input_of(l);
      for_elements(part.layer.out, [&](unsigned o, unsigned row) {
        store_activation(part, o, row, x[o * run_.stride + row]);
      });
    }
    __syncthreads();
  }

  // body(feature, row) for each row of the slice
  template <class Body>
  __device__ void for_elements(size_t features, const Body& body) const {
    const unsigned rows = run_.rows, log2_rows = run_.log2_quads + 2;
    static_assert(kRowsAtOnce == 4, "its logarithm is 2");
    for (unsigned i = threadIdx.x; i < features << log2_rows; i += blockDim.x)
      body(i >> log2_rows, i & (rows - 1));
  }

  // One warp per row: its output and loss, and δ of the last link.
  __device__ void loss_of_slice() const {
    const ChainPart<T>& last = run_.links[run_.depth - 1];
    const unsigned columns = unsigned(run_.loss.columns), lane = threadIdx.x % kWarp;
    T* const delta = shared_ + run_.delta[0];
    double* const losses = reinterpret_cast<double*>(shared_ + run_.row_loss);
    for (unsigned row = threadIdx.x / kWarp; row < run_.rows; row += blockDim.x / kWarp) {
      const size_t sample = first_ + row;
      double value = 0;
      if (row < rows_) {
        const T* const output = shared_ + last.y + row;
        for (unsigned c = lane; c < columns; c += kWarp) {
          run_.output[sample * columns + c] = output[c * run_.stride];
        }
        value = loss_of_row(
            run_.loss, {output, delta + row, run_.stride,
                        run_.loss.target ? run_.loss.target + sample * columns : nullptr,
                        run_.loss.label ? size_t(run_.loss.label[sample]) : 0, run_.loss.row_scale[sample]});
      }
      for (unsigned c = lane; c < columns; c += kWarp) {
        T& grad = delta[c * run_.stride + row];
        grad = through_activation(last, c, row, row < rows_ ? grad : T(0));
      }
      if (lane == 0) losses[row] = value;
    }
    __syncthreads();
  }

  // In the first warp.
  __device__ double sum_of_losses() const {
    if (threadIdx.x >= kWarp) return 0;
    const double* const losses = reinterpret_cast<const double*>(shared_ + run_.row_loss);
    static_assert(kMostSlice <= kWarp, "one lane per row");
    return fold_warp(threadIdx.x < run_.rows ? losses[threadIdx.x] : 0.0, Plus());
  }

  __device__ void backward(bool accumulate) const {
    const T* delta = shared_ + run_.delta[0];
    T* next = shared_ + run_.delta[1];
    for (size_t l = run_.depth; l-- > 0;) {
      const ChainPart<T>& part = run_.links[l];
      if (part.layer.weight) sum_gradients(part, input_of(l), delta, accumulate);
      if (l == 0) return;
      const ChainPart<T>& before = run_.links[l - 1];
      if (part.layer.weight) {
        const Weights<T> w = weights_of(part);
        product({w.data, w.column_step, w.row_step}, part.layer.in, part.layer.out, delta,
                [&](unsigned i, unsigned row, T sum) {
                  next[i * run_.stride + row] = through_activation(before, i, row, sum);
                });
      } else {
        for_elements(part.layer.in, [&](unsigned i, unsigned row) {
          const unsigned at = i * run_.stride + row;
          next[at] = through_activation(before, i, row, delta[at]);
        });
      }
      __syncthreads();
      T* const done = const_cast<T*>(delta);
      delta = next;
      next = done;
    }
  }

  // grad_w (j, i) = Σ_row δ (j, row) · x (i, row), and grad_b (j) = Σ_row δ (j, row): each by the same thread
  // in every slice, which accumulates over slices.
  __device__ void sum_gradients(const ChainPart<T>& part, const T* x, const T* delta, bool accumulate) const {
    const unsigned in = unsigned(part.layer.in), out = unsigned(part.layer.out);
    T* const own = run_.gradients + blockIdx.x * run_.parameters + part.parameter;
    T* const grad_weight = run_.blocks == 1 ? part.layer.grad_weight : own;
    T* const grad_bias = run_.blocks == 1 ? part.layer.grad_bias : own + in * out;
    constexpr unsigned kTall = 4;
    for (unsigned item = threadIdx.x; item < (out + kTall - 1) / kTall * in; item += blockDim.x) {
      const unsigned i = item % in, first = item / in * kTall;
      T sum[kTall] = {};
      for (unsigned row = 0; row < run_.rows; row += kRowsAtOnce) {
        const Quad<T> a = *reinterpret_cast<const Quad<T>*>(x + i * run_.stride + row);
#pragma unroll
        for (unsigned j = 0; j < kTall; ++j) {
          if (first + j >= out) continue;
          const Quad<T> b = *reinterpret_cast<const Quad<T>*>(delta + (first + j) * run_.stride + row);
#pragma unroll
          for (unsigned u = 0; u < kRowsAtOnce; ++u) sum[j] += a.of[u] * b.of[u];
        }
      }
#pragma unroll
      for (unsigned j = 0; j < kTall; ++j) {
        if (first + j < out) put(grad_weight[(first + j) * in + i], sum[j], accumulate);
      }
    }
    for (unsigned j = threadIdx.x; part.layer.bias && j < out; j += blockDim.x) {
      T sum = 0;
      for (unsigned row = 0; row < run_.rows; ++row) sum += delta[j * run_.stride + row];
      put(grad_bias[j], sum, accumulate);
    }
  }
  __device__ static void put(T& to, T sum, bool accumulate) { to = accumulate ? to + sum : sum; }

  const ChainRun<T>& run_;
  T* shared_;
  size_t first_ = 0;   // row of the slice
  unsigned rows_ = 0;  // of the slice
};

template <class T>
__global__ void __launch_bounds__(kMostChainThreads) chain_kernel(const __grid_constant__ ChainRun<T> run) {
  ChainBlock<T>(run).run();
}

// The blocks' gradients of kWarp parameters, by kShares threads each, and then their losses.
constexpr unsigned kShares = 8;

template <class T>
__device__ T* destination(const ChainRun<T>& run, size_t parameter) {
  size_t l = 0;
  while (l + 1 < run.depth && parameter >= run.links[l + 1].parameter) ++l;
  const ChainLayer<T>& layer = run.links[l].layer;
  const size_t at = parameter - run.links[l].parameter, weights = layer.in * layer.out;
  return at < weights ? layer.grad_weight + at : layer.grad_bias + (at - weights);
}

template <class T>
__global__ void add_blocks_kernel(const __grid_constant__ ChainRun<T> run) {
  const unsigned lane = threadIdx.x % kWarp, share = threadIdx.x / kWarp;
  if (blockIdx.x * size_t{kWarp} >= run.parameters) {
    if (share > 0) return;
    double loss = 0;
    for (size_t block = lane; block < run.blocks; block += kWarp) loss += run.losses[block];
    loss = fold_warp(loss, Plus());
    if (lane == 0) *run.loss.loss = loss;
    return;
  }
  T* const sums = shared_memory<T>();
  const size_t parameter = blockIdx.x * size_t{kWarp} + lane;
  T sum = 0;
  if (parameter < run.parameters) {
#pragma unroll 4
    for (size_t block = share; block < run.blocks; block += kShares) {
      sum += run.gradients[block * run.parameters + parameter];
    }
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (share > 0 || parameter >= run.parameters) return;
  for (unsigned other = 1; other < kShares; ++other) sum += sums[other * kWarp + lane];
  *destination(run, parameter) = sum;
}

template <class T>
size_t chain_workspace(const ChainArgs<T>& a) {
  ChainRun<T> run;
  return most_slice(a) == 0 ? 0 : chain_scratch(a, nullptr, run);
}

template <class T>
void chain_gradients(Context& context, const ChainArgs<T>& a) {
  const ChainPlan<T> plan = chain_plan(a, most_shared(context), context.scratch);
  const ChainRun<T>& run = plan.run;
  launch_sharing(context, {run.blocks, plan.threads, plan.shared}, chain_kernel<T>, run);
  if (run.blocks == 1) return;
  const size_t blocks = ceil_divide(run.parameters, kWarp) + 1;
  launch(context, {blocks, kWarp * kShares, kWarp * kShares * sizeof(T)}, add_blocks_kernel<T>, run);
}

}  // namespace

template <class T>
void set_chain(Kernels<T>& kernels) {
  kernels.chain_workspace = chain_workspace<T>;
  kernels.chain_gradients = chain_gradients<T>;
}

template void set_chain(Kernels<float>&);
template void set_chain(Kernels<double>&);

}  // namespace bpnet::cuda
