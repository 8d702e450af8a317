// The reference kernels, each with the memory open for as long as it runs and its arrays checked before.
#include <type_traits>

#include "bpnet/kernels/guarded/memory.h"
#include "bpnet/kernels/tables.h"

namespace bpnet {
namespace {

using guarded::check_array;

// What a kernel is given: an array, a struct of the host's that holds arrays, or neither.
template <class A>
void check(const char*, const A&) {}
template <class A>
void check(const char* kernel, A* const& array) {
  check_array(kernel, array);
}

template <class T>
void check(const char* kernel, const BatchNormArgs<T>& a) {
  for (const T* array : {a.x, a.mean, a.variance, a.weight, a.bias}) check_array(kernel, array);
}
template <class T>
void check(const char* kernel, const RunningStatistics<T>& a) {
  for (const T* array : {a.mean, a.variance, a.batches}) check_array(kernel, array);
}
template <class T>
void check(const char* kernel, const RowWeights<T>& a) {
  for (const void* array : {static_cast<const void*>(a.sample_weight), static_cast<const void*>(a.label),
                            static_cast<const void*>(a.class_weight)}) {
    check_array(kernel, array);
  }
}
template <class T>
void check(const char* kernel, const LossArgs<T>& a) {
  for (const T* array : {a.output, a.target, a.class_weight, a.row_scale}) check_array(kernel, array);
  check_array(kernel, a.grad_output);
  check_array(kernel, a.label);
  check_array(kernel, a.loss);
}
template <class T>
void check(const char* kernel, const ChainArgs<T>& a) {
  for (std::size_t l = 0; l < a.depth; ++l) {
    const ChainLayer<T>& layer = a.layers[l];
    for (const T* array : {layer.weight, layer.bias}) check_array(kernel, array);
    for (const T* array : {layer.grad_weight, layer.grad_bias}) check_array(kernel, array);
  }
  check_array(kernel, a.x);
  check_array(kernel, a.output);
  check(kernel, a.loss);
}
template <class T>
void check(const char* kernel, const OnlineArgs<T>& a) {
  for (std::size_t l = 0; l < a.depth; ++l) {
    const OnlineLayer<T>& layer = a.layers[l];
    for (const T* array : {layer.weight, layer.bias, layer.weight_slots[0], layer.weight_slots[1],
                           layer.bias_slots[0], layer.bias_slots[1]}) {
      check_array(kernel, array);
    }
  }
  for (const T* array : {a.class_weight, a.x, a.target, a.sample_weight}) check_array(kernel, array);
  check_array(kernel, a.label);
  check_array(kernel, a.order);
  check_array(kernel, a.sums);
}
template <class T>
void check(const char* kernel, T* const* const& slots) {  // an update's two
  for (int s = 0; s < 2; ++s) check_array(kernel, slots[s]);
}
inline void check(const char* kernel, const Context& context) { check_array(kernel, context.scratch); }

// The kernel that `entry` points to, guarded.
template <class T, auto entry, class Signature>
struct Guarded;

template <class T, auto entry, class Result, class... Args>
struct Guarded<T, entry, Result (*)(Args...)> {
  static inline const char* name = nullptr;
  static inline const Kernels<T>* table = nullptr;

  static Result run(Args... args) {
    (check(name, args), ...);
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
  Kernels<T> to = from;  // what only computes sizes reads no array
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
  guard<T, &K::weigh_rows>("weigh_rows", from, to);
  guard<T, &K::scale_rows>("scale_rows", from, to);
  guard<T, &K::loss>("loss", from, to);
  guard<T, &K::judge>("judge", from, to);
  guard<T, &K::tally>("tally", from, to);
  guard<T, &K::update>("update", from, to);
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
