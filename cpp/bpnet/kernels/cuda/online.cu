// The lecture's loop, one sample at a time, as one launch of one block: each sample depends on the one
// before, so the speed depends on the time between barriers and on where the weights are stored. Counted, not
// measured: a net whose weights fit in shared memory (99 to 227 KB) reads them at 128 bytes per cycle, and is
// bound by its barriers and folds, some 150 cycles each. Of 784-128-10 in float32, 401 KB of weights, 66 of
// the 128 rows fit on an H100 and 46 on an A100; the other 200 to 260 KB are read from L2 and written back
// for each sample, at some 64 bytes per cycle each way: 3,000 to 8,000 cycles, and four barriers.
//
// The first layer takes one pass over its weights per sample: its update and its sums for the next sample.
// Every other layer takes two: forward with a few lanes per row of weights, whose sums are folded by
// shuffles, and backward with one thread per column, which sums δ_j w_j and updates w_j row by row.
#include <cuda_pipeline_primitives.h>

#include "bpnet/kernels/cuda/block.h"
#include "bpnet/kernels/cuda/judge_math.h"
#include "bpnet/kernels/cuda/online_plan.h"
#include "bpnet/kernels/cuda/online_rule.h"
#include "bpnet/kernels/cuda/row_loss.h"
#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {
namespace {

// Weights that a thread loads before it updates any: the loads overlap.
template <class T>
constexpr unsigned kAtOnce = 32 / sizeof(T);

// A sum as several independent sums, which round less than one would.
template <class T>
struct SplitSum {
  static constexpr unsigned kParts = 4;
  T parts[kParts] = {};

  __device__ void add(unsigned u, T a, T b) { parts[u % kParts] += a * b; }
  __device__ T total() const { return (parts[0] + parts[1]) + (parts[2] + parts[3]); }
};

// Row j of a parameter's plane p is at plane[p] + j · stride.
template <class T>
struct PlaneRows {
  T* plane[kMostPlanes];
  size_t stride;
};

// The action for a sample once its loss is known.
enum Verdict : unsigned { kLearn, kPass, kStop };

// The label and weights of a sample, prefetched by the first warp.
struct SampleFacts {
  size_t label;
  double class_scale, weight;
};

// The block's memory, and the steps of a sample. All threads call each of its functions.
template <class T, class Rule>
class OnlineBlock {
 public:
  __device__ explicit OnlineBlock(const OnlineRun<T>& run)
      : run_(run), shared_(shared_memory<T>()), in_(run.links[0].in), out_(run.loss.columns) {
    static_assert(sizeof(Rule) <= kBytesOfRule, "a rule fits");
    links_ = run.links_at == kNowhere ? run.links : shared<OnlineLink<T>>(run.links_at);
    rules_ = run.rules_at == kNowhere ? reinterpret_cast<Rule*>(run.rules) : shared<Rule>(run.rules_at);
    activations_ = run.activations_at == kNowhere ? run.activations : shared_ + run.activations_at;
  }

  // Fetches the links, the parameters that are held, and the first sample, and makes its first y.
  __device__ void begin() {
    if (run_.links_at != kNowhere) {
      const size_t words = run_.depth * sizeof(OnlineLink<T>) / sizeof(uint64_t);
      uint64_t* const to = shared<uint64_t>(run_.links_at);
      const uint64_t* const from = reinterpret_cast<const uint64_t*>(run_.links);
      for (size_t i = threadIdx.x; i < words; i += blockDim.x) to[i] = from[i];
    }
    if (threadIdx.x == 0) sums_ = *run_.sums;
    fetch(0);
    __pipeline_wait_prior(0);
    __syncthreads();
    make_rules(run_.step + 1);
    exchange_held([](T& given, T& held) { held = given; });
    __syncthreads();
    first_forward(0);
  }

  // Writes the parameters back, after a step's last barrier.
  __device__ void end() {
    exchange_held([](T& given, T& held) { given = held; });
    if (threadIdx.x == 0) *run_.sums = sums_;
  }

  // Starts to fetch sample `step`; the one fetched before becomes the current one.
  __device__ void fetch(size_t step) {
    now_ = ahead_;
    if (step >= run_.count) return;
    const size_t sample = size_t(run_.order[step]);
    if (threadIdx.x < kWarp) ahead_ = facts_of(sample);
    if (run_.sample_at == kNowhere) return;
    T* const to = shared_sample(step);
    const T *x = run_.x + sample * in_, *target = run_.target ? run_.target + sample * out_ : nullptr;
    for (size_t i = threadIdx.x; i < in_; i += blockDim.x) {
      __pipeline_memcpy_async(to + i, x + i, sizeof(T));
    }
    for (size_t i = threadIdx.x; target && i < out_; i += blockDim.x) {
      __pipeline_memcpy_async(to + in_ + i, target + i, sizeof(T));
    }
    __pipeline_commit();
  }

  // The first link's y of sample `step`.
  __device__ void first_forward(size_t step) {
    forward_from(links_[0], x_of(step));
    __syncthreads();
  }

  // The first link is updated by sample `step`, and computes y of the next one if there is `more`.
  __device__ void first_learn(size_t step, bool more) {
    const OnlineLink<T>& link = links_[0];
    const T* const next = more ? x_of(step + 1) : nullptr;
    if (link.weight.given[0] && !link.weight.frozen) {
      learn_rows(link, x_of(step), next);
    } else {
      learn_biases(0);
      __syncthreads();
      if (next) forward_from(link, next);
    }
    __syncthreads();
  }

  // y of link l, above the first, from that of the link before.
  __device__ void forward(size_t l) {
    forward_from(links_[l], y_of(links_[l - 1]));
    __syncthreads();
  }

  // The loss of sample `step` and the last link's δ. Waits for the sample that is being fetched.
  __device__ Verdict judge(size_t step) {
    Verdict* const verdict = reinterpret_cast<Verdict*>(activations_ + run_.verdict_at);
    if (threadIdx.x < kWarp) {
      const Verdict found = judge_sample(step);
      if (threadIdx.x == 0) *verdict = found;
    }
    if (Rule::kCountsSteps) make_rules(run_.step + step + 1);
    __pipeline_wait_prior(0);
    __syncthreads();
    return *verdict;
  }

  // Link l, above the first, is updated; δ of the link before uses this one's weights before the update.
  __device__ void backward(size_t l) {
    const OnlineLink<T>& link = links_[l];
    if (!link.weight.given[0]) {
      for (size_t i = threadIdx.x; i < link.in; i += blockDim.x) {
        finish_delta(links_[l - 1], i, delta_of(link)[i]);
      }
    } else {
      learn_biases(l);
      link.weight.frozen ? backward_columns<false>(l) : backward_columns<true>(l);
    }
    __syncthreads();
  }

 private:
  template <class Item>
  __device__ Item* shared(size_t at) const {
    return reinterpret_cast<Item*>(shared_ + at);
  }

  __device__ T* s_of(const OnlineLink<T>& link) const { return activations_ + link.at; }
  __device__ T* y_of(const OnlineLink<T>& link) const { return activations_ + link.at + link.out; }
  __device__ T* delta_of(const OnlineLink<T>& link) const { return activations_ + link.at + 2 * link.out; }

  // Consecutive samples are at different offsets.
  __device__ T* shared_sample(size_t step) const {
    return shared_ + run_.sample_at + (step % 2) * (in_ + out_);
  }
  __device__ const T* x_of(size_t step) const {
    return run_.sample_at == kNowhere ? run_.x + size_t(run_.order[step]) * in_ : shared_sample(step);
  }
  __device__ const T* target_of(size_t step) const {
    if (!run_.target) return nullptr;
    return run_.sample_at == kNowhere ? run_.target + size_t(run_.order[step]) * out_
                                      : shared_sample(step) + in_;
  }

  __device__ SampleFacts facts_of(size_t sample) const {
    SampleFacts facts = {0, 1, 1};
    if (run_.label) facts.label = size_t(run_.label[sample]);
    if (run_.label && run_.loss.class_weight) facts.class_scale = double(run_.loss.class_weight[facts.label]);
    facts.weight = (run_.sample_weight ? double(run_.sample_weight[sample]) : 1.0) * facts.class_scale;
    return facts;
  }

  __device__ PlaneRows<T> held_rows(const OnlineParameter<T>& p) const {
    T* const first = shared_ + p.held_at;
    const size_t plane = p.held_rows * p.stride;
    return {{first, first + plane, first + 2 * plane}, p.stride};
  }
  __device__ static PlaneRows<T> given_rows(const OnlineParameter<T>& p) {
    return {{p.given[0], p.given[1], p.given[2]}, p.columns};
  }
  __device__ PlaneRows<T> rows_with(const OnlineParameter<T>& p, size_t row) const {
    return row < p.held_rows ? held_rows(p) : given_rows(p);
  }

  // body(caller's, held) for each number that is held.
  template <class Body>
  __device__ void exchange_held(const Body& body) const {
    for (size_t l = 0; l < run_.depth; ++l) {
      for (const OnlineParameter<T>* p : {&links_[l].weight, &links_[l].bias}) {
        const PlaneRows<T> held = held_rows(*p);
        for (size_t i = threadIdx.x; i < p->held_rows * p->columns; i += blockDim.x) {
          const size_t at = i / p->columns * held.stride + i % p->columns;
#pragma unroll
          for (unsigned plane = 0; plane < kMostPlanes; ++plane) {
            if (plane < p->planes) body(p->given[plane][i], held.plane[plane][at]);
          }
        }
      }
    }
  }

  // The constants of each link's weights and bias.
  __device__ void make_rules(uint64_t step) const {
    for (size_t i = threadIdx.x; i < 2 * run_.depth; i += blockDim.x) {
      const OnlineParameter<T>& p = i % 2 ? links_[i / 2].bias : links_[i / 2].weight;
      rules_[i] = Rule(run_.update, {p.rate, p.decay, step});
    }
  }

  __device__ void store_activation(const OnlineLink<T>& link, size_t j, T s) const {
    if (slope_needs_input(link.activation.kind)) s_of(link)[j] = s;
    y_of(link)[j] = activate(link.activation, s);
  }
  // δ_j = d loss / d s_j from d loss / d y_j
  __device__ void finish_delta(const OnlineLink<T>& link, size_t j, T grad) const {
    const T s = slope_needs_input(link.activation.kind) ? s_of(link)[j] : T(0);
    delta_of(link)[j] = grad * activation_slope(link.activation, s, y_of(link)[j]);
  }

  __device__ Verdict judge_sample(size_t step) {
    const OnlineLink<T>& last = links_[run_.depth - 1];
    const SampleFacts facts = now_;
    T* const delta = delta_of(last);
    const LossRow<T> row = {y_of(last), delta, 1, target_of(step), facts.label, T(1 / facts.class_scale)};
    const bool right = is_correct<WarpTeam>(run_.loss.kind, out_, row.output, row.target, row.label);
    if (facts.weight != 0) {
      // In a batch of one the weight divided by the sum of weights is 1.
      const double value = loss_of_row(run_.loss, row);
      if (!std::isfinite(T(value))) {
        sums_.stopped = 1;
        sums_.stopping_loss = value;
        return kStop;
      }
      sums_.loss += facts.weight * value;
      sums_.weight += facts.weight;
      for (size_t c = threadIdx.x; c < out_; c += kWarp) finish_delta(last, c, delta[c]);
    }
    sums_.correct += right;
    ++sums_.steps;
    return facts.weight == 0 ? kPass : kLearn;
  }

  // body(j, lane) for each row; every warp calls it equally often, some with rows beyond the last.
  template <class Body>
  __device__ static void for_rows(const OnlineLink<T>& link, const Body& body) {
    const unsigned lane = threadIdx.x & ((1u << link.log2_lanes) - 1), row = threadIdx.x >> link.log2_lanes;
    const unsigned rows = blockDim.x >> link.log2_lanes;
    for (size_t first = 0; first < link.out; first += rows) body(first + row, lane);
  }
  __device__ static T fold_lanes(T sum, unsigned log2_lanes) {
    for (unsigned distance = (1u << log2_lanes) / 2; distance > 0; distance /= 2) {
      sum += __shfl_xor_sync(0xffffffff, sum, static_cast<int>(distance));
    }
    return sum;
  }

  __device__ void forward_from(const OnlineLink<T>& link, const T* x) const {
    if (!link.weight.given[0]) {
      for (size_t j = threadIdx.x; j < link.out; j += blockDim.x) store_activation(link, j, x[j]);
      return;
    }
    for_rows(link, [&](size_t j, unsigned lane) {
      SplitSum<T> split;
      if (j < link.out) {
        const PlaneRows<T> rows = rows_with(link.weight, j);
        const T* const w = rows.plane[0] + j * rows.stride;
        const size_t step = size_t{1} << link.log2_lanes;
        size_t i = lane;
        for (; i + 3 * step < link.in; i += 4 * step) {
#pragma unroll
          for (unsigned u = 0; u < 4; ++u) split.add(u, w[i + u * step], x[i + u * step]);
        }
        for (; i < link.in; i += step) split.add(0, w[i], x[i]);
      }
      T sum = fold_lanes(split.total(), link.log2_lanes);
      if (j >= link.out || lane != 0) return;
      if (link.bias.given[0]) sum += rows_with(link.bias, 0).plane[0][j];
      store_activation(link, j, sum);
    });
  }

  // This many numbers from `at` on, `step` apart; calls use(u, before, after) with the old and the new
  // values.
  template <unsigned kMost, class Gradient, class Use>
  __device__ static void learn(const Rule& rule, const PlaneRows<T>& rows, size_t at, size_t step,
                               size_t count, const Gradient& gradient, const Use& use) {
    T w[kMost], slots[2][kMost];
#pragma unroll
    for (unsigned u = 0; u < kMost; ++u) {
      if (u >= count) continue;
      w[u] = rows.plane[0][at + u * step];
      if constexpr (Rule::kSlots > 0) slots[0][u] = rows.plane[1][at + u * step];
      if constexpr (Rule::kSlots > 1) slots[1][u] = rows.plane[2][at + u * step];
    }
#pragma unroll
    for (unsigned u = 0; u < kMost; ++u) {
      if (u >= count) continue;
      T after = w[u];
      rule.apply(gradient(u), after, slots[0][u], slots[1][u]);
      use(u, w[u], after);
      rows.plane[0][at + u * step] = after;
      if constexpr (Rule::kSlots > 0) rows.plane[1][at + u * step] = slots[0][u];
      if constexpr (Rule::kSlots > 1) rows.plane[2][at + u * step] = slots[1][u];
    }
  }

  // Updates one bias and returns it; 0 where there is none.
  __device__ T learn_bias(size_t l, size_t j) const {
    const OnlineParameter<T>& bias = links_[l].bias;
    if (!bias.given[0]) return 0;
    const PlaneRows<T> rows = rows_with(bias, 0);
    if (bias.frozen) return rows.plane[0][j];
    T result = 0;
    learn<1>(
        rules_[2 * l + 1], rows, j, 0, 1, [&](unsigned) { return delta_of(links_[l])[j]; },
        [&](unsigned, T, T after) { result = after; });
    return result;
  }
  __device__ void learn_biases(size_t l) const {
    for (size_t j = threadIdx.x; j < links_[l].out; j += blockDim.x) learn_bias(l, j);
  }

  // Updates the first link by x; then computes y from `next`, unless that is null.
  __device__ void learn_rows(const OnlineLink<T>& link, const T* x, const T* next) const {
    const Rule rule = rules_[0];
    for_rows(link, [&](size_t j, unsigned lane) {
      SplitSum<T> split;
      if (j < link.out) {
        const PlaneRows<T> rows = rows_with(link.weight, j);
        const T delta = delta_of(link)[j];
        const size_t begin = j * rows.stride, step = size_t{1} << link.log2_lanes;
        size_t i = lane;
        const auto gradient = [&](unsigned u) { return delta * x[i + u * step]; };
        const auto use = [&](unsigned u, T, T after) {
          if (next) split.add(u, after, next[i + u * step]);
        };
        constexpr unsigned kMost = kAtOnce<T>;
        for (; i + (kMost - 1) * step < link.in; i += kMost * step) {
          learn<kMost>(rule, rows, begin + i, step, kMost, gradient, use);
        }
        if (i < link.in) {
          const size_t rest = (link.in - i + step - 1) >> link.log2_lanes;
          learn<kMost>(rule, rows, begin + i, step, rest, gradient, use);
        }
      }
      const T sum = fold_lanes(split.total(), link.log2_lanes);
      if (j >= link.out || lane != 0) return;
      const T bias = learn_bias(0, j);
      if (next) store_activation(link, j, sum + bias);
    });
  }

  // sum += Σ δ_j w_ji over rows first … last−1, which are then updated
  template <bool kLearns>
  __device__ static void pass_column(const Rule& rule, const PlaneRows<T>& rows, size_t first, size_t last,
                                     size_t i, T x, const T* delta, SplitSum<T>& sum) {
    const size_t step = rows.stride;
    size_t j = first;
    const auto gradient = [&](unsigned u) { return delta[j + u] * x; };
    const auto use = [&](unsigned u, T before, T) { sum.add(u, delta[j + u], before); };
    if constexpr (kLearns) {
      constexpr unsigned kMost = kAtOnce<T>;
      for (; j + kMost <= last; j += kMost) {
        learn<kMost>(rule, rows, j * step + i, step, kMost, gradient, use);
      }
      if (j < last) learn<kMost>(rule, rows, j * step + i, step, last - j, gradient, use);
    } else {
      for (; j + 4 <= last; j += 4) {
#pragma unroll
        for (unsigned u = 0; u < 4; ++u) use(u, rows.plane[0][(j + u) * step + i], T(0));
      }
      for (; j < last; ++j) use(0, rows.plane[0][j * step + i], T(0));
    }
  }

  template <bool kLearns>
  __device__ void backward_columns(size_t l) const {
    const OnlineLink<T>& link = links_[l];
    const OnlineLink<T>& before = links_[l - 1];
    const Rule rule = rules_[2 * l];
    const T *x = y_of(before), *delta = delta_of(link);
    T* const partial = activations_ + run_.partial_at;
    const unsigned width = 1u << link.log2_width, part = threadIdx.x >> link.log2_width;
    const size_t first = part * link.rows_of_part, end = first + link.rows_of_part;
    const size_t last = end < link.out ? end : link.out, held = link.weight.held_rows;
    const size_t middle = held < first ? first : held < last ? held : last;
    for (size_t i = threadIdx.x & (width - 1); i < link.in && first < last; i += width) {
      SplitSum<T> sum;
      pass_column<kLearns>(rule, held_rows(link.weight), first, middle, i, x[i], delta, sum);
      pass_column<kLearns>(rule, given_rows(link.weight), middle, last, i, x[i], delta, sum);
      if (link.parts == 1) finish_delta(before, i, sum.total());
      else partial[threadIdx.x] = sum.total();
    }
    if (link.parts == 1) return;
    __syncthreads();
    for (size_t i = threadIdx.x; i < link.in; i += blockDim.x) {
      T sum = 0;
      for (unsigned p = 0; p * link.rows_of_part < link.out; ++p) sum += partial[p * width + i];
      finish_delta(before, i, sum);
    }
  }

  const OnlineRun<T>& run_;
  T* shared_;
  size_t in_, out_;
  const OnlineLink<T>* links_;
  Rule* rules_;
  T* activations_;
  SampleFacts now_ = {}, ahead_ = {};  // of the first warp
  Sums sums_;                          // of its first thread
};

template <class T, class Rule>
__global__ void __launch_bounds__(kMostOnlineThreads)
    online_kernel(const __grid_constant__ OnlineRun<T> run) {
  if (run.sums->stopped) return;
  OnlineBlock<T, Rule> block(run);
  block.begin();
  for (size_t step = 0; step < run.count; ++step) {
    const bool more = step + 1 < run.count;
    block.fetch(step + 1);
    for (size_t l = 1; l < run.depth; ++l) block.forward(l);
    const Verdict verdict = block.judge(step);
    if (verdict == kStop) break;
    if (verdict == kLearn) {
      for (size_t l = run.depth; l-- > 1;) block.backward(l);
      block.first_learn(step, more);
    } else if (more) {
      block.first_forward(step + 1);
    }
  }
  block.end();
}

template <class T>
struct OnlineForm {
  void (*kernel)(OnlineRun<T>);
  unsigned slots;
};

template <class T, class Rule>
OnlineForm<T> form_of() {
  return {online_kernel<T, Rule>, Rule::kSlots};
}

template <class T>
OnlineForm<T> form_of(const UpdateArgs& rule) {
  switch (rule.kind) {
    case UpdateKind::kSgd:
      return rule.sgd.momentum == 0 ? form_of<T, PlainSgd<T>>() : form_of<T, MomentumSgd<T>>();
    case UpdateKind::kAdam: return form_of<T, OnlineAdam<T>>();
    case UpdateKind::kRmsprop: break;
  }
  return rule.rmsprop.momentum == 0 ? form_of<T, OnlineRmsprop<T, false>>()
                                    : form_of<T, OnlineRmsprop<T, true>>();
}

// Links are sent as a kernel's arguments, some at a time, which costs less than a copy and can be recorded.
constexpr unsigned kLinksSent = 8;

template <class T>
struct PutLinks {
  OnlineLink<T>* to;
  OnlineLink<T> links[kLinksSent];

  __device__ void operator()(size_t i) const { to[i] = links[i]; }
};

template <class T>
void send_links(Context& context, const OnlineArgs<T>& a, const OnlinePlan<T>& plan, const HeldLinks<T>& held,
                unsigned slots) {
  OnlineLink<T>* const to = const_cast<OnlineLink<T>*>(plan.run.links);
  size_t at = 0;
  for (size_t first = 0; first < a.depth; first += kLinksSent) {
    PutLinks<T> put{to + first, {}};
    const size_t count = a.depth - first < kLinksSent ? a.depth - first : kLinksSent;
    for (size_t i = 0; i < count; ++i) {
      const OnlineLayer<T>& layer = a.layers[first + i];
      put.links[i] =
          a.depth <= kMostHeldLinks ? held.links[first + i] : online_link(layer, plan.threads, slots, at);
      at += 3 * layer.out;
    }
    launch_each(context, count, put);
  }
}

template <class T>
size_t online_workspace(const OnlineArgs<T>& a) {
  return online_scratch(a, nullptr).scratch;
}

template <class T>
void online_sgd(Context& context, const OnlineArgs<T>& a) {
  if (a.count == 0) return;
  const OnlineForm<T> form = form_of<T>(a.update);
  HeldLinks<T> held;
  const OnlinePlan<T> plan = online_plan(a, form.slots, most_shared(context), context.scratch, held);
  send_links(context, a, plan, held, form.slots);
  launch_sharing(context, {1, plan.threads, plan.shared}, form.kernel, plan.run);
}

}  // namespace

template <class T>
void set_online(Kernels<T>& kernels) {
  kernels.online_workspace = online_workspace<T>;
  kernels.online_sgd = online_sgd<T>;
}

template void set_online(Kernels<float>&);
template void set_online(Kernels<double>&);

}  // namespace bpnet::cuda
