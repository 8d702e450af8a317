// Batch normalisation. A matrix is cut into strips of columns and, to sum these, into parts of rows. Each
// block writes the sums of its part, in double, to scratch; then a block for each strip folds the parts, in
// an order that depends on sizes alone.
#include "bpnet/kernels/cuda/block.h"
#include "bpnet/kernels/cuda/launch.h"
#include "bpnet/kernels/cuda/rows.h"
#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {
namespace {

constexpr size_t kRowsOfThread = 16;  // at least, where there are this many
constexpr size_t kMostParts = 1024;   // of all strips together

struct Strips {
  size_t rows, columns;
  unsigned log2_lanes;  // of a strip's columns
  size_t count;
  size_t parts, length;  // parts of the rows, and rows of each but the last

  Strips(size_t rows_, size_t columns_)
      : rows(rows_), columns(columns_), log2_lanes(log2_up(columns < kWarp ? columns : kWarp)) {
    count = ceil_divide(columns, size_t{1} << log2_lanes);
    length = max(ceil_divide(rows, most_parts()), size_t{1});
    parts = ceil_divide(rows, length);
  }

  size_t rows_of_block() const { return kRowsOfThread * (kThreads >> log2_lanes); }

  // At least `parts`; grows with the rows.
  size_t most_parts() const {
    const size_t wanted = max(ceil_divide(rows, rows_of_block()), size_t{1});
    return min(wanted, max(kMostParts / max(count, size_t{1}), size_t{1}));
  }

  __device__ size_t rows_of_part(size_t part) const { return min(length, rows - part * length); }
};

// A thread's column and line; other threads have the same column and other lines.
struct Position {
  unsigned lanes, lines, line;
  size_t column;

  __device__ Position(const Strips& s, size_t strip)
      : lanes(1u << s.log2_lanes),
        lines(blockDim.x >> s.log2_lanes),
        line(threadIdx.x >> s.log2_lanes),
        column(strip * lanes + (threadIdx.x & (lanes - 1))) {}
};

// Σ over the lines of the thread's column, in each of its threads. `shared` has one element per thread.
__device__ inline double fold_lines(double value, const Position& at, double* shared) {
  __syncthreads();  // other threads may still read those of the last fold
  shared[threadIdx.x] = value;
  for (unsigned half = at.lines / 2; half > 0; half /= 2) {
    __syncthreads();
    if (at.line < half) shared[threadIdx.x] += shared[threadIdx.x + half * at.lanes];
  }
  __syncthreads();
  return shared[threadIdx.x & (at.lanes - 1)];
}

struct Partial {  // of a column in a part
  double first, second;
};

struct NormMemory {
  Partial* partials;  // (parts, columns)
  void* factors;      // (3, columns) of T
};

NormMemory norm_memory(Context& context, const Strips& s) {
  unsigned char* const partials = context.scratch;
  return {reinterpret_cast<Partial*>(partials), partials + s.most_parts() * s.columns * sizeof(Partial)};
}

template <class T>
size_t batch_norm_workspace(size_t rows, size_t columns) {
  return Strips(rows, columns).most_parts() * columns * sizeof(Partial) + 3 * columns * sizeof(T);
}

// ---- statistics, in one pass: means are distances from the column's first element, and a thread's squares
// are of distances from its own first one, so that no large numbers cancel when they are combined

// The mean and Σ (x − mean)² of all `all` values of a column's threads, each of which has `count` values with
// the given mean and Σ (x − mean)².
__device__ inline Partial merge(double count, double mean, double squares, double all, const Position& at,
                                double* shared) {
  const double middle = fold_lines(count * mean, at, shared) / all, distance = mean - middle;
  return {middle, fold_lines(squares + count * distance * distance, at, shared)};
}

template <class T>
__global__ void sum_statistics(Strips s, const T* x, Partial* partials, T* batches) {
  if (blockIdx.x == 0 && threadIdx.x == 0) *batches += 1;
  const size_t part = blockIdx.x / s.count, rows = s.rows_of_part(part);
  const Position at(s, blockIdx.x % s.count);
  const T* const from = x + part * s.length * s.columns + at.column;
  double count = 0, mean = 0, squares = 0;
  if (at.column < s.columns && at.line < rows) {
    const double first = double(from[at.line * s.columns]);
    double sum = 0;
    for (size_t r = at.line; r < rows; r += at.lines) {
      const double distance = double(from[r * s.columns]) - first;
      sum += distance;
      squares += distance * distance;
    }
    count = double(ceil_divide(rows - at.line, at.lines));
    mean = first - double(x[at.column]) + sum / count;
    squares -= sum * (sum / count);
  }
  const Partial all = merge(count, mean, squares, double(rows), at, shared_memory<double>());
  if (at.line == 0 && at.column < s.columns) partials[part * s.columns + at.column] = all;
}

template <class T>
__device__ void follow(double momentum, double value, T& running) {
  running = T((1 - momentum) * double(running) + momentum * value);
}

template <class T>
__global__ void fold_statistics(Strips s, const T* x, const Partial* partials, T* mean, T* variance,
                                RunningStatistics<T> running) {
  const Position at(s, blockIdx.x);
  const size_t c = at.column, last = c < s.columns ? s.parts : 0;
  double* const shared = shared_memory<double>();
  double sum = 0, squares = 0;
  for (size_t part = at.line; part < last; part += at.lines) {
    sum += double(s.rows_of_part(part)) * partials[part * s.columns + c].first;
  }
  const double middle = fold_lines(sum, at, shared) / double(s.rows);
  for (size_t part = at.line; part < last; part += at.lines) {
    const Partial here = partials[part * s.columns + c];
    const double distance = here.first - middle;
    squares += here.second + double(s.rows_of_part(part)) * distance * distance;
  }
  squares = fold_lines(squares, at, shared);
  if (at.line > 0 || c >= s.columns) return;
  const double momentum = running.cumulative ? 1 / double(*running.batches) : running.momentum;
  const double whole = double(x[c]) + middle;
  mean[c] = T(whole);
  variance[c] = T(squares / double(s.rows));
  follow(momentum, whole, running.mean[c]);
  follow(momentum, squares / double(s.rows - 1), running.variance[c]);
}

template <class T>
void batch_norm_statistics(Context& context, size_t rows, size_t columns, const T* x, T* mean, T* variance,
                           const RunningStatistics<T>& running) {
  const Strips s(rows, columns);
  Partial* const partials = norm_memory(context, s).partials;
  const size_t shared = kThreads * sizeof(double);
  launch(context, {s.count * s.parts, kThreads, shared}, sum_statistics<T>, s, x, partials, running.batches);
  launch(context, {s.count, kThreads, shared}, fold_statistics<T>, s, x, partials, mean, variance, running);
}

// ---- elementwise: the factors of a column are computed once for several rows

template <class Body>
__global__ void each_column_kernel(Strips s, size_t blocks, size_t rows_of_block, Body body) {
  for (size_t block = blockIdx.x; block < blocks; block += gridDim.x) {
    const Position at(s, block % s.count);
    if (at.column >= s.columns) continue;
    const auto factors = body.factors(at.column);
    const size_t begin = block / s.count * rows_of_block, end = min(begin + rows_of_block, s.rows);
    for (size_t r = begin + at.line; r < end; r += at.lines) body.apply(factors, r * s.columns + at.column);
  }
}

// body.apply(body.factors(c), i) for every element i of every column c.
template <class Body>
void launch_columns(Context& context, const Strips& s, const Body& body) {
  const size_t blocks = s.count * ceil_divide(s.rows, s.rows_of_block());
  launch(context, {min(blocks, size_t{kMostBlocks})}, each_column_kernel<Body>, s, blocks, s.rows_of_block(),
         body);
}

template <class T>
__device__ double inverse_deviation(const BatchNormArgs<T>& a, size_t c) {
  return 1 / sqrt(double(a.variance[c]) + a.epsilon);
}

template <class T>
struct NormForward {
  struct Factors {
    T mean, scale, bias;
  };

  BatchNormArgs<T> a;
  T* y;

  __device__ Factors factors(size_t c) const {
    const double scale = inverse_deviation(a, c) * (a.weight ? double(a.weight[c]) : 1.0);
    return {a.mean[c], T(scale), a.bias ? a.bias[c] : T(0)};
  }
  __device__ void apply(const Factors& f, size_t i) const { y[i] = (a.x[i] - f.mean) * f.scale + f.bias; }
};

template <class T>
void batch_norm_forward(Context& context, const BatchNormArgs<T>& a, T* y) {
  launch_columns(context, Strips(a.rows, a.columns), NormForward<T>{a, y});
}

// ---- backward

// partials = Σ grad_y, Σ grad_y (x − mean)
template <class T>
__global__ void sum_gradients(Strips s, BatchNormArgs<T> a, const T* grad_y, Partial* partials) {
  const size_t part = blockIdx.x / s.count, rows = s.rows_of_part(part);
  const Position at(s, blockIdx.x % s.count);
  const bool is_column = at.column < s.columns;
  const double mean = is_column ? double(a.mean[at.column]) : 0.0;
  double sum = 0, product = 0;
  for (size_t r = at.line; is_column && r < rows; r += at.lines) {
    const size_t i = (part * s.length + r) * s.columns + at.column;
    const double grad = double(grad_y[i]);
    sum += grad;
    product += grad * (double(a.x[i]) - mean);
  }
  sum = fold_lines(sum, at, shared_memory<double>());
  product = fold_lines(product, at, shared_memory<double>());
  if (at.line == 0 && is_column) partials[part * s.columns + at.column] = {sum, product};
}

// grad_x = scale (grad_y − shift − (x − mean) slope)
template <class T>
struct NormBackward {
  struct Factors {
    T mean, scale, shift, slope;
  };

  BatchNormArgs<T> a;
  const T* grad_y;
  T *scale, *shift, *slope;  // (columns,)
  T* grad_x;

  __device__ Factors factors(size_t c) const { return {a.mean[c], scale[c], shift[c], slope[c]}; }
  __device__ void apply(const Factors& f, size_t i) const {
    grad_x[i] = f.scale * (grad_y[i] - f.shift - (a.x[i] - f.mean) * f.slope);
  }
};

template <class T>
__global__ void fold_gradients(Strips s, NormBackward<T> back, const Partial* partials, T* grad_weight,
                               T* grad_bias, bool accumulate) {
  const Position at(s, blockIdx.x);
  const size_t c = at.column, last = c < s.columns ? s.parts : 0;
  double sum = 0, product = 0;
  for (size_t part = at.line; part < last; part += at.lines) {
    sum += partials[part * s.columns + c].first;
    product += partials[part * s.columns + c].second;
  }
  sum = fold_lines(sum, at, shared_memory<double>());
  product = fold_lines(product, at, shared_memory<double>());
  if (at.line > 0 || c >= s.columns) return;
  const BatchNormArgs<T>& a = back.a;
  const double inverse = inverse_deviation(a, c);
  product *= inverse;
  if (grad_weight) grad_weight[c] = T(product) + (accumulate ? grad_weight[c] : T(0));
  if (grad_bias) grad_bias[c] = T(sum) + (accumulate ? grad_bias[c] : T(0));
  back.scale[c] = T(inverse * (a.weight ? double(a.weight[c]) : 1.0));
  back.shift[c] = T(sum / double(a.rows));
  back.slope[c] = T(inverse * product / double(a.rows));
}

template <class T>
void batch_norm_backward(Context& context, const BatchNormArgs<T>& a, const T* grad_y, T* grad_x,
                         T* grad_weight, T* grad_bias, bool accumulate) {
  const Strips s(a.rows, a.columns);
  const NormMemory memory = norm_memory(context, s);
  T* const factors = static_cast<T*>(memory.factors);
  const NormBackward<T> back = {a, grad_y, factors, factors + s.columns, factors + 2 * s.columns, grad_x};
  const size_t shared = kThreads * sizeof(double);
  launch(context, {s.count * s.parts, kThreads, shared}, sum_gradients<T>, s, a, grad_y, memory.partials);
  launch(context, {s.count, kThreads, shared}, fold_gradients<T>, s, back, memory.partials, grad_weight,
         grad_bias, accumulate);
  if (grad_x) launch_columns(context, s, back);
}

}  // namespace

template <class T>
void set_batch_norm(Kernels<T>& kernels) {
  kernels.batch_norm_workspace = batch_norm_workspace<T>;
  kernels.batch_norm_statistics = batch_norm_statistics<T>;
  kernels.batch_norm_forward = batch_norm_forward<T>;
  kernels.batch_norm_backward = batch_norm_backward<T>;
}

template void set_batch_norm(Kernels<float>&);
template void set_batch_norm(Kernels<double>&);

}  // namespace bpnet::cuda
