#include "bpnet/kernels/cuda/block.h"
#include "bpnet/kernels/cuda/launch.h"
#include "bpnet/kernels/cuda/rows.h"
#include "bpnet/kernels/cuda/scalar_math.h"
#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {
namespace {

// A rule is the update of an element: constants of the step, computed once per block, and `apply(i)`, which
// updates element i of the arrays.
template <class T>
struct Arrays {
  T* w;
  const T* grad;
  T *slot0, *slot1;
};

__device__ double rate_at(const UpdateArgs& rule, const UpdateStep& now) {
  return rule.scheduled ? rule.rate * now.lr : rule.rate;
}

enum class SgdForm { kPlain, kMomentum, kNesterov, kRateInVelocity };

template <class T, SgdForm kForm>
struct Sgd {
  T rate, momentum, decay;

  __device__ Sgd(const UpdateArgs& rule, const UpdateStep& now)
      : rate(T(rate_at(rule, now))), momentum(T(rule.sgd.momentum)), decay(T(rule.sgd.weight_decay)) {}

  __device__ void apply(const Arrays<T>& a, size_t i) const {
    const T w = a.w[i], g = a.grad[i] + decay * w;
    if constexpr (kForm == SgdForm::kPlain) {
      a.w[i] = w - rate * g;
    } else if constexpr (kForm == SgdForm::kRateInVelocity) {
      const T v = a.slot0[i] = momentum * a.slot0[i] - rate * g;
      a.w[i] = w + v;
    } else {
      const T v = a.slot0[i] = momentum * a.slot0[i] + g;
      a.w[i] = w - rate * (kForm == SgdForm::kNesterov ? g + momentum * v : v);
    }
  }
};

template <class T>
struct Adam {
  T beta1, beta2, rest1, rest2, epsilon;
  T rate, root;     // lr / c₁, 1 / √c₂
  T shrink, decay;  // of the weights, of the gradient

  __device__ Adam(const UpdateArgs& rule, const UpdateStep& now) {
    const AdamArgs& a = rule.adam;
    const double lr = rate_at(rule, now);
    beta1 = T(a.beta1), beta2 = T(a.beta2), epsilon = T(a.epsilon);
    rest1 = T(1 - a.beta1), rest2 = T(1 - a.beta2);
    rate = T(lr / now.correction1);
    root = T(1 / square_root(now.correction2));
    shrink = a.decoupled ? T(1 - lr * a.weight_decay) : T(1);
    decay = a.decoupled ? T(0) : T(a.weight_decay);
  }

  __device__ void apply(const Arrays<T>& a, size_t i) const {
    const T w = a.w[i], g = a.grad[i] + decay * w;
    const T m = a.slot0[i] = beta1 * a.slot0[i] + rest1 * g;
    const T v = a.slot1[i] = beta2 * a.slot1[i] + rest2 * g * g;
    a.w[i] = shrink * w - rate * m / (square_root(v) * root + epsilon);
  }
};

template <class T, bool kMomentum>
struct Rmsprop {
  T alpha, rest, epsilon, rate, decay, momentum;

  __device__ Rmsprop(const UpdateArgs& rule, const UpdateStep& now) {
    const RmspropArgs& a = rule.rmsprop;
    alpha = T(a.alpha), rest = T(1 - a.alpha), epsilon = T(a.epsilon);
    rate = T(rate_at(rule, now)), decay = T(a.weight_decay), momentum = T(a.momentum);
  }

  __device__ void apply(const Arrays<T>& a, size_t i) const {
    const T w = a.w[i], g = a.grad[i] + decay * w;
    const T v = a.slot0[i] = alpha * a.slot0[i] + rest * g * g;
    T step = g / (square_root(v) + epsilon);
    if constexpr (kMomentum) step = a.slot1[i] = momentum * a.slot1[i] + step;
    a.w[i] = w - rate * step;
  }
};

constexpr size_t kElementsOfThread = 4;  // or more, where kMostBlocks blocks do not suffice

template <class T, class Rule>
__global__ void update_kernel(UpdateArgs args, const UpdateStep* now, const uint64_t* updates, size_t count,
                              Arrays<T> arrays) {
  if (updates && !*updates) return;
  Rule* const shared = shared_memory<Rule>();
  if (threadIdx.x == 0) *shared = Rule(args, *now);
  __syncthreads();
  const Rule rule = *shared;
  const size_t step = size_t{gridDim.x} * blockDim.x;
  for (size_t i = size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) rule.apply(arrays, i);
}

template <class T>
using UpdateKernel = void (*)(UpdateArgs, const UpdateStep*, const uint64_t*, size_t, Arrays<T>);

template <class T>
UpdateKernel<T> sgd_kernel(const SgdArgs& a, bool velocity) {
  if (!velocity) return update_kernel<T, Sgd<T, SgdForm::kPlain>>;
  if (a.lr_in_velocity) return update_kernel<T, Sgd<T, SgdForm::kRateInVelocity>>;
  return a.nesterov ? update_kernel<T, Sgd<T, SgdForm::kNesterov>>
                    : update_kernel<T, Sgd<T, SgdForm::kMomentum>>;
}

template <class T>
UpdateKernel<T> kernel_of(const UpdateArgs& args, const Arrays<T>& arrays) {
  if (args.kind == UpdateKind::kSgd) return sgd_kernel<T>(args.sgd, arrays.slot0);
  if (args.kind == UpdateKind::kAdam) return update_kernel<T, Adam<T>>;
  return arrays.slot1 ? update_kernel<T, Rmsprop<T, true>> : update_kernel<T, Rmsprop<T, false>>;
}

template <class T>
void update(Context& context, const UpdateArgs& args, const UpdateStep* now, const uint64_t* updates,
            size_t count, T* w, const T* grad, T* const* slots) {
  const Arrays<T> arrays = {w, grad, slots[0], slots[1]};
  const size_t blocks = ceil_divide(count, kElementsOfThread * kThreads);
  const Grid grid = {blocks < kMostBlocks ? blocks : kMostBlocks, kThreads, sizeof(Adam<T>)};
  launch(context, grid, kernel_of(args, arrays), args, now, updates, count, arrays);
}

}  // namespace

template <class T>
void set_optimizer(Kernels<T>& kernels) {
  kernels.update = update<T>;
}

template void set_optimizer(Kernels<float>&);
template void set_optimizer(Kernels<double>&);

}  // namespace bpnet::cuda
