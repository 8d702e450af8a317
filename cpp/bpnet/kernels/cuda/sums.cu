// What batches weigh and how they count.
#include <cmath>

#include "bpnet/kernels/cuda/table.h"
#include "bpnet/kernels/cuda/total.h"

namespace bpnet::cuda {
namespace {

template <class T>
struct WeightPart {
  RowWeights<T> a;

  __device__ double operator()() const {
    const bool by_class = a.label && a.class_weight;
    if (!a.sample_weight && !by_class) return threadIdx.x == 0 ? double(a.rows) : 0;
    double sum = 0;
    for (size_t row = threadIdx.x; row < a.rows; row += blockDim.x) {
      const double weight = a.sample_weight ? double(a.sample_weight[row]) : 1.0;
      sum += by_class ? weight * double(a.class_weight[a.label[row]]) : weight;
    }
    return sum;
  }
};

// One block: there is no scratch for the parts of several.
template <class T>
void weigh_rows(Context& context, const RowWeights<T>& a, double* sum) {
  launch_total(context, {1, a.rows > kThreads ? kMostThreads : kThreads, kFoldBytes}, WeightPart<T>{a}, sum);
}

template <class T>
struct ScaleRow {
  const T* sample_weight;
  const double* sum;
  T* row_scale;

  __device__ void operator()(size_t row) const {
    const double weight = sample_weight ? double(sample_weight[row]) : 1.0;
    row_scale[row] = *sum > 0 ? T(weight / *sum) : T(0);
  }
};

template <class T>
void scale_rows(Context& context, const RowWeights<T>& a, const double* sum, T* row_scale) {
  launch_each(context, a.rows, ScaleRow<T>{a.sample_weight, sum, row_scale});
}

struct Greater {  // of two numbers; a where b is NaN
  template <class T>
  __device__ T operator()(T a, T b) const {
    return b > a ? b : a;
  }
};
struct Smaller {
  __device__ size_t operator()(size_t a, size_t b) const { return a < b ? a : b; }
};

// Index of the first of the largest of x (count,); NaN is never larger, and nothing is larger than a first
// NaN.
template <class Team, class T>
__device__ size_t largest_of(size_t count, const T* x) {
  T value = x[0];
  size_t index = 0;
  for (size_t c = Team::member(); c < count; c += Team::members()) {
    if (x[c] > value) value = x[c], index = c;
  }
  const T largest = Team::fold(value, Greater{}, x[0]);
  return Team::fold(value < largest ? count : index, Smaller{}, count);
}

// Whether the row is right, in every member of the team.
template <class Team, class T>
__device__ bool is_correct(const LossArgs<T>& a, size_t row) {
  const T* const x = a.output + row * a.columns;
  if (a.kind == LossKind::kCrossEntropy) {
    const size_t likeliest =
        a.label ? size_t(a.label[row]) : largest_of<Team>(a.columns, a.target + row * a.columns);
    return largest_of<Team>(a.columns, x) == likeliest;
  }
  const T* const target = a.target + row * a.columns;
  unsigned wrong = 0;
  for (size_t c = Team::member(); c < a.columns; c += Team::members())
    wrong |= (x[c] > 0) != (target[c] > T(0.5));
  return Team::fold(wrong, Plus{}, 0u) == 0;
}

// How many of the block's rows are right, in every thread.
template <class Team, class T>
__device__ uint64_t correct_rows(const LossArgs<T>& a) {
  uint64_t correct = 0;
  for (size_t row = Team::first_row(); row < a.rows; row += Team::row_step()) {
    const bool right = is_correct<Team>(a, row);
    correct += right && Team::member() == 0;
  }
  return fold_block(correct, Plus{}, uint64_t{0}, shared_memory<uint64_t>());
}

// One block.
template <class Team, class T>
__global__ void __launch_bounds__(kMostThreads) judge_kernel(LossArgs<T> a, Tally how, Sums* sums) {
  const bool stopped = sums->stopped, stops = how == Tally::kTraining && !std::isfinite(sums->batch_loss);
  __syncthreads();  // all have read what the first writes
  if (stopped) return;
  const uint64_t correct = stops ? 0 : correct_rows<Team>(a);
  if (threadIdx.x != 0) return;
  if (stops) {
    sums->stopped = 1;
    sums->stopping_loss = sums->batch_loss;
    sums->updates = 0;
  } else {
    sums->updates = sums->batch_weight > 0;
    sums->batch_correct = correct;
  }
}

// Adds to what was judged of no rows. Integers' sum is the same in any order.
template <class Team, class T>
__global__ void count_kernel(LossArgs<T> a, Sums* sums) {
  if (sums->stopped) return;
  const uint64_t correct = correct_rows<Team>(a);
  if (threadIdx.x == 0) atomicAdd(reinterpret_cast<unsigned long long*>(&sums->batch_correct), correct);
}

template <class Team, class T>
void judge_rows(Context& context, LossArgs<T> a, Tally how, Sums* sums) {
  const Grid lone = lone_grid(a.rows, a.columns);
  if (lone.blocks == 1) return launch(context, lone, judge_kernel<Team, T>, a, how, sums);
  const Grid several = team_grid(a.rows, a.columns, kMostBlocks);
  LossArgs<T> none = a;
  none.rows = 0;
  launch(context, {1, kWarp, kFoldBytes}, judge_kernel<Team, T>, none, how, sums);
  launch(context, several, count_kernel<Team, T>, a, sums);
}

template <class T>
void judge(Context& context, const LossArgs<T>& a, Tally how, Sums* sums) {
  LossArgs<T> judged = a;
  if (a.kind != LossKind::kCrossEntropy && a.kind != LossKind::kBinaryCrossEntropyWithLogits) judged.rows = 0;
  if (a.columns <= kWidestOfWarp) return judge_rows<WarpTeam>(context, judged, how, sums);
  judge_rows<BlockTeam>(context, judged, how, sums);
}

struct TallyBatch {
  Tally how;
  Sums* sums;

  __device__ void operator()(size_t) const {
    if (sums->stopped) return;
    ++sums->steps;
    sums->correct += sums->batch_correct;
    sums->weight += sums->batch_weight;
    if (how == Tally::kEvaluation) {
      sums->loss += sums->batch_loss;
    } else if (sums->updates) {
      sums->loss += sums->batch_loss * sums->batch_weight;
    }
  }
};

void tally(Context& context, Tally how, Sums* sums) { launch_each(context, 1, TallyBatch{how, sums}); }

}  // namespace

template <class T>
void set_sums(Kernels<T>& kernels) {
  kernels.weigh_rows = weigh_rows<T>;
  kernels.scale_rows = scale_rows<T>;
  kernels.judge = judge<T>;
  kernels.tally = tally;
}

template void set_sums(Kernels<float>&);
template void set_sums(Kernels<double>&);

}  // namespace bpnet::cuda
