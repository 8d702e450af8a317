#include "bpnet/layers/normalization.h"

#include "bpnet/core/error.h"
#include "bpnet/layers/options.h"
#include "bpnet/layers/window.h"

namespace bpnet {

LayerSpec local_response_norm(std::size_t size, const LocalResponseNormOptions& options) {
  LayerSpec spec{"LocalResponseNorm", {}};
  spec.options.set("size", size);
  spec.options.set("alpha", options.alpha);
  spec.options.set("beta", options.beta);
  spec.options.set("k", options.k);
  spec.options.set("groups", options.groups);
  spec.options.set("within_map", options.within_map);
  return spec;
}

static LayerSpec batch_norm(const char* type, const BatchNormOptions& options) {
  LayerSpec spec{type, {}};
  spec.options.set("eps", options.eps);
  spec.options.set("momentum", options.momentum ? Json(*options.momentum) : Json());
  spec.options.set("affine", options.affine);
  return spec;
}

LayerSpec batch_norm1d(const BatchNormOptions& options) { return batch_norm("BatchNorm1d", options); }
LayerSpec batch_norm2d(const BatchNormOptions& options) { return batch_norm("BatchNorm2d", options); }

template <class T>
LocalResponseNorm<T>::LocalResponseNorm(const Json& values) {
  Options options("local_response_norm", values);
  size_ = options.size("size");
  options_.alpha = options.number("alpha", 1e-4, 0, 1e30);
  options_.beta = options.number("beta", 0.75, 0, 1e30);
  options_.k = options.number("k", 1, 0, 1e30);
  options_.groups = options.size("groups", 1);
  options_.within_map = options.flag("within_map", false);
  options.finish();
  if (options_.within_map && options_.groups != 1) {
    fail<ValueError>("local_response_norm: groups is ", options_.groups,
                     " and within_map true: within a map every channel is by itself; leave groups at 1");
  }
}

template <class T>
LocalResponseSizes LocalResponseNorm<T>::sizes(const Shape& input, std::size_t batch) const {
  const LocalResponseNormOptions& o = options_;
  return {batch, input[1], input[2], input[0], o.groups, size_, o.within_map, o.alpha, o.beta, o.k};
}

template <class T>
Shape LocalResponseNorm<T>::output_shape(const Shape& input) const {
  check_map("local_response_norm", input);
  if (input[0] % options_.groups != 0) {
    fail<ShapeError>("local_response_norm: input has ", input[0], " channels, groups is ", options_.groups,
                     ": channels must be divisible by groups");
  }
  return input;
}

template <class T>
std::size_t LocalResponseNorm<T>::workspace_size(const Kernels<T>& kernels, const Shape& input,
                                                 std::size_t batch) const {
  return kernels.local_response_workspace(sizes(input, batch));
}

template <class T>
void LocalResponseNorm<T>::forward(Context& context, const ForwardArgs<T>& a) const {
  a.kernels.local_response_forward(context, sizes(a.input_shape[0], a.batch), a.x[0], a.y);
}

template <class T>
void LocalResponseNorm<T>::backward(Context& context, const BackwardArgs<T>& a) const {
  if (!a.grad_x[0]) return;
  a.kernels.local_response_backward(context, sizes(a.input_shape[0], a.batch), a.x[0], a.grad_y, a.grad_x[0]);
}

template <class T>
BatchNorm<T>::BatchNorm(const char* operation, std::size_t least_rank, std::size_t most_rank,
                        const Json& values)
    : operation_(operation), least_rank_(least_rank), most_rank_(most_rank) {
  Options options(operation, values);
  options_.eps = options.number("eps", 1e-5, 0, 1e30);
  options_.momentum = options.number_or_none("momentum", 0.1, 0, 1);
  options_.affine = options.flag("affine", true);
  options.finish();
}

template <class T>
Shape BatchNorm<T>::output_shape(const Shape& input) const {
  if (input.rank() < least_rank_ || input.rank() > most_rank_) {
    fail<ShapeError>(operation_, ": input has shape ", input, ", ",
                     most_rank_ == 3 ? "(channels, height, width)" : "(features,) or (channels, length)",
                     " is needed");
  }
  return input;
}

template <class T>
std::vector<ParameterSpec> BatchNorm<T>::parameters(const Shape& input) const {
  if (!options_.affine) return {};
  return {{"weight", {input[0]}, Init::constant(1), {}}, {"bias", {input[0]}, Init::constant(0), {}}};
}

template <class T>
std::vector<BufferSpec> BatchNorm<T>::buffers(const Shape& input) const {
  return {{"running_mean", {input[0]}, 0}, {"running_var", {input[0]}, 1}, {"num_batches_tracked", {}, 0}};
}

template <class T>
std::size_t BatchNorm<T>::saved_size(const Shape& input, std::size_t) const {
  return 2 * input[0];
}

template <class T>
std::size_t BatchNorm<T>::least_batch(const Shape& input) const {
  return input.count() > input[0] ? 1 : 2;
}

template <class T>
std::size_t BatchNorm<T>::workspace_size(const Kernels<T>& kernels, const Shape& input,
                                         std::size_t batch) const {
  return kernels.batch_norm_workspace(batch * (input.count() / input[0]), input[0]);
}

template <class T>
BatchNormArgs<T> BatchNorm<T>::args(const Shape& input, std::size_t batch, const T* x,
                                    T* const* parameters) const {
  const std::size_t channels = input[0];
  return {batch * (input.count() / channels),
          channels,
          options_.eps,
          x,
          nullptr,
          nullptr,
          options_.affine ? parameters[0] : nullptr,
          options_.affine ? parameters[1] : nullptr};
}

template <class T>
void BatchNorm<T>::forward(Context& context, const ForwardArgs<T>& a) const {
  BatchNormArgs<T> norm = args(a.input_shape[0], a.batch, a.x[0], a.parameters);
  norm.mean = a.buffers[0];
  norm.variance = a.buffers[1];
  T *mean = a.saved, *variance = a.saved + norm.columns;
  if (a.training && a.frozen) {
    a.kernels.scale(context, norm.columns, 0, a.buffers[0], mean);
    a.kernels.scale(context, norm.columns, 1, a.buffers[1], variance);
  } else if (a.training) {
    if (a.batch < least_batch(a.input_shape[0])) {
      fail<ShapeError>(operation_, ": the batch has one value per channel, training needs more than one: ",
                       "use a larger batch");
    }
    a.kernels.batch_norm_statistics(
        context, norm.rows, norm.columns, a.x[0], mean, variance,
        {options_.momentum.value_or(0), !options_.momentum, a.buffers[0], a.buffers[1], a.buffers[2]});
    norm.mean = mean;
    norm.variance = variance;
  }
  a.kernels.batch_norm_forward(context, norm, a.y);
  if (a.activation.kind != ActivationKind::kIdentity) {
    a.kernels.activation_forward(context, a.activation, norm.rows * norm.columns, a.y, a.y);
  }
}

template <class T>
void BatchNorm<T>::backward(Context& context, const BackwardArgs<T>& a) const {
  BatchNormArgs<T> norm = args(a.input_shape[0], a.batch, a.x[0], a.parameters);
  norm.mean = a.saved;
  norm.variance = a.saved + norm.columns;
  if (a.frozen) {
    // y is linear in x: grad_x is the same function of grad_y, without the shift.
    norm.x = a.grad_y;
    norm.bias = nullptr;
    if (a.grad_x[0]) a.kernels.batch_norm_forward(context, norm, a.grad_x[0]);
    return;
  }
  T* grad_weight = options_.affine ? a.grad_parameters[0] : nullptr;
  T* grad_bias = options_.affine ? a.grad_parameters[1] : nullptr;
  a.kernels.batch_norm_backward(context, norm, a.grad_y, a.grad_x[0], grad_weight, grad_bias, a.accumulate);
}

template class LocalResponseNorm<float>;
template class LocalResponseNorm<double>;
template class BatchNorm1d<float>;
template class BatchNorm1d<double>;
template class BatchNorm2d<float>;
template class BatchNorm2d<double>;

}  // namespace bpnet
