// Sums of weights, losses and correct answers over batches.
#include <cmath>

#include "bpnet/kernels/cuda/judge_math.h"
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

// How many of the block's rows are correct, in every thread.
template <class Team, class T>
__device__ uint64_t correct_rows(const LossArgs<T>& a) {
  uint64_t correct = 0;
  for (size_t row = Team::first_row(); row < a.rows; row += Team::row_step()) {
    const bool right =
        is_correct<Team>(a.kind, a.columns, a.output + row * a.columns,
                         a.target ? a.target + row * a.columns : nullptr, a.label ? size_t(a.label[row]) : 0);
    correct += right && Team::member() == 0;
  }
  return fold_block(correct, Plus{}, uint64_t{0}, shared_memory<uint64_t>());
}

// One block.
template <class Team, class T>
__global__ void __launch_bounds__(kMostThreads) judge_kernel(LossArgs<T> a, Tally how, Sums* sums) {
  const bool stopped = sums->stopped, stops = how == Tally::kTraining && !std::isfinite(sums->batch_loss);
  __syncthreads();  // all have read what the first thread writes
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

// Adds to the result of judge_kernel for no rows. A sum of integers is the same in any order.
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
