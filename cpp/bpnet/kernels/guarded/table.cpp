// The reference kernels, each with the memory open while it runs and its arrays checked before.
#include <type_traits>

#include "bpnet/kernels/guarded/memory.h"
#include "bpnet/kernels/tables.h"

namespace bpnet {
namespace {

using guarded::check_array;

// An argument by its index from 0.
constexpr const char* kPositions[] = {"argument 0", "argument 1", "argument 2", "argument 3",
                                      "argument 4", "argument 5", "argument 6", "argument 7",
                                      "argument 8", "argument 9", "argument 10"};

struct Argument {
  const char* kernel;
  std::size_t position;

  void operator()(const char* what, const void* array) const { check_array(kernel, what, array); }
};

// An argument of a kernel: an array, a struct in the host's memory that holds arrays, or neither.
template <class A>
void check(const Argument&, const A&) {}
template <class A>
void check(const Argument& is_ours, A* const& array) {
  is_ours(kPositions[is_ours.position], array);
}
template <class T>
void check(const Argument& is_ours, const BatchNormArgs<T>& a) {
  is_ours("x", a.x);
  is_ours("mean", a.mean);
  is_ours("variance", a.variance);
  is_ours("weight", a.weight);
  is_ours("bias", a.bias);
}
template <class T>
void check(const Argument& is_ours, const RunningStatistics<T>& a) {
  is_ours("running mean", a.mean);
  is_ours("running variance", a.variance);
  is_ours("batches", a.batches);
}
template <class T>
void check(const Argument& is_ours, const GatherArgs<T>& a) {
  is_ours("x", a.x);
  is_ours("targets", a.targets);
  is_ours("labels", a.labels);
  is_ours("sample_weight", a.sample_weight);
  is_ours("order", a.order);
  is_ours("x_out", a.x_out);
  is_ours("targets_out", a.targets_out);
  is_ours("labels_out", a.labels_out);
  is_ours("sample_weight_out", a.sample_weight_out);
}
template <class T>
void check(const Argument& is_ours, const RowWeights<T>& a) {
  is_ours("sample_weight", a.sample_weight);
  is_ours("label", a.label);
  is_ours("class_weight", a.class_weight);
}
template <class T>
void check(const Argument& is_ours, const LossArgs<T>& a) {
  is_ours("output", a.output);
  is_ours("target", a.target);
  is_ours("label", a.label);
  is_ours("class_weight", a.class_weight);
  is_ours("row_scale", a.row_scale);
  is_ours("grad_output", a.grad_output);
  is_ours("loss", a.loss);
}
template <class T>
void check(const Argument& is_ours, const OnlineArgs<T>& a) {
  for (std::size_t l = 0; l < a.depth; ++l) {
    const OnlineLayer<T>& layer = a.layers[l];
    is_ours("weight", layer.weight);
    is_ours("bias", layer.bias);
    for (int s = 0; s < 2; ++s) is_ours("weight_slots", layer.weight_slots[s]);
    for (int s = 0; s < 2; ++s) is_ours("bias_slots", layer.bias_slots[s]);
  }
  is_ours("class_weight", a.class_weight);
  is_ours("x", a.x);
  is_ours("target", a.target);
  is_ours("label", a.label);
  is_ours("sample_weight", a.sample_weight);
  is_ours("order", a.order);
  is_ours("sums", a.sums);
}
template <class T>
void check(const Argument& is_ours, const ClipArgs<T>& a) {
  is_ours("grad", a.grad);
}
template <class T>
void check(const Argument& is_ours, T* const* const& slots) {  // the two slots of an update
  for (int s = 0; s < 2; ++s) is_ours("slots", slots[s]);
}
inline void check(const Argument& is_ours, const Context& context) { is_ours("scratch", context.scratch); }

// The kernel that `entry` points to, guarded.
template <class T, auto entry, class Signature>
struct Guarded;

template <class T, auto entry, class Result, class... Args>
struct Guarded<T, entry, Result (*)(Args...)> {
  static inline const char* name = nullptr;
  static inline const Kernels<T>* table = nullptr;

  static Result run(Args... args) {
    std::size_t position = 0;
    (check(Argument{name, position++}, args), ...);
    const guarded::Open open;
    return (table->*entry)(args...);
  }
};
template <class T, auto entry>
void guard(const char* name, const Kernels<T>& from, Kernels<T>& to) {
  using Signature = std::remove_reference_t<decltype(to.*entry)>;
  using Kernel = Guarded<T, entry, Signature>;
  Kernel::name = name;
  Kernel::table = &from;
  if (from.*entry) to.*entry = Kernel::run;
}

template <class T>
Kernels<T> make_table(const Kernels<T>& from) {
  using K = Kernels<T>;
  Kernels<T> to = from;  // entries that only compute sizes read no array
  guard<T, &K::linear_forward>("linear_forward", from, to);
  guard<T, &K::linear_backward_input>("linear_backward_input", from, to);
  guard<T, &K::linear_backward_weight>("linear_backward_weight", from, to);
  guard<T, &K::convolution_forward>("convolution_forward", from, to);
  guard<T, &K::convolution_backward_input>("convolution_backward_input", from, to);
  guard<T, &K::convolution_backward_weight>("convolution_backward_weight", from, to);
  guard<T, &K::max_pool_forward>("max_pool_forward", from, to);
  guard<T, &K::max_pool_backward>("max_pool_backward", from, to);
  guard<T, &K::average_pool_forward>("average_pool_forward", from, to);
  guard<T, &K::average_pool_backward>("average_pool_backward", from, to);
  guard<T, &K::local_response_forward>("local_response_forward", from, to);
  guard<T, &K::local_response_backward>("local_response_backward", from, to);
  guard<T, &K::batch_norm_statistics>("batch_norm_statistics", from, to);
  guard<T, &K::batch_norm_forward>("batch_norm_forward", from, to);
  guard<T, &K::batch_norm_backward>("batch_norm_backward", from, to);
  guard<T, &K::activation_forward>("activation_forward", from, to);
  guard<T, &K::activation_backward>("activation_backward", from, to);
  guard<T, &K::softmax_forward>("softmax_forward", from, to);
  guard<T, &K::softmax_backward>("softmax_backward", from, to);
  guard<T, &K::dropout_mask>("dropout_mask", from, to);
  guard<T, &K::multiply>("multiply", from, to);
  guard<T, &K::add>("add", from, to);
  guard<T, &K::scale>("scale", from, to);
  guard<T, &K::copy_columns>("copy_columns", from, to);
  guard<T, &K::transpose>("transpose", from, to);
  guard<T, &K::gather>("gather", from, to);
  guard<T, &K::weigh_rows>("weigh_rows", from, to);
  guard<T, &K::scale_rows>("scale_rows", from, to);
  guard<T, &K::loss>("loss", from, to);
  guard<T, &K::judge>("judge", from, to);
  guard<T, &K::tally>("tally", from, to);
  guard<T, &K::update>("update", from, to);
  guard<T, &K::clip>("clip", from, to);
  guard<T, &K::keep>("keep", from, to);
  guard<T, &K::first_not_finite>("first_not_finite", from, to);
  guard<T, &K::online_sgd>("online_sgd", from, to);
  return to;
}

}  // namespace

const Kernels<float>* guarded_kernels_float() {
  static const Kernels<float> table = make_table(*reference_kernels_float());
  return &table;
}
const Kernels<double>* guarded_kernels_double() {
  static const Kernels<double> table = make_table(*reference_kernels_double());
  return &table;
}

}  // namespace bpnet
