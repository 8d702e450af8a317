#include "bpnet/training/custom_batch.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "bpnet/core/error.h"

namespace bpnet {
namespace {

// A backend's array for the host to read: itself on the host's memory, else a copy. Null remains null.
template <class U>
class HostCopy {
 public:
  HostCopy(const Memory& memory, const U* at, std::size_t count) : at_(at) {
    if (memory.is_host() || !at) return;
    copy_.resize(count);
    read_from(memory, copy_.data(), at, count);
    at_ = copy_.data();
  }
  HostCopy(const HostCopy&) = delete;
  HostCopy& operator=(const HostCopy&) = delete;

  const U* data() const { return at_; }

 private:
  const U* at_;
  std::vector<U> copy_;
};

template <class T>
double sum_of(const T* weights, std::size_t rows) {
  if (!weights) return static_cast<double>(rows);
  double sum = 0;
  for (std::size_t row = 0; row < rows; ++row) sum += static_cast<double>(weights[row]);
  return sum;
}

// The function's gradient, scaled to a mean over more than this batch.
template <class T>
void take_share(const CustomLoss& loss, double share, std::size_t rows, std::size_t outputs, T* gradient) {
  for (std::size_t i = 0; i < rows * outputs; ++i) {
    if (!std::isfinite(gradient[i])) {
      fail<NumericError>("custom loss '", loss.name, "': its gradient has NaN or infinity in row ",
                         i / outputs);
    }
    if (share != 1) gradient[i] = static_cast<T>(share * static_cast<double>(gradient[i]));
  }
}

}  // namespace

template <class T>
double custom_loss(const CustomLoss& loss, const BasicNetwork<T>& network, const Batch<T>& batch,
                   const T* output, double weight_sum, T* grad_output) {
  const Memory& memory = network.memory();
  const std::size_t rows = batch.count, outputs = network.output_shape().count(), count = rows * outputs;
  const HostCopy<T> x(memory, output, count), target(memory, batch.targets, count);
  const HostCopy<T> weight(memory, batch.sample_weight, rows);
  const HostCopy<std::int64_t> label(memory, batch.labels, rows);
  std::optional<HostMirror<T>> mirror;
  if (grad_output) mirror.emplace(memory, grad_output, count, HostMirror<T>::Contents::kWrite);
  T* const gradient = mirror ? mirror->data() : nullptr;

  const double own = sum_of(weight.data(), rows);
  double value = 0;
  if (own > 0) {
    value = loss.of<T>()(
        {rows, network.output_shape(), x.data(), target.data(), label.data(), weight.data(), gradient});
    const double share = own / weight_sum;
    if (gradient && std::isfinite(value)) take_share(loss, share, rows, outputs, gradient);
    value *= share;
  } else if (gradient) {
    std::fill_n(gradient, count, T(0));
  }
  if (mirror) mirror->send();
  return value;
}

template double custom_loss<float>(const CustomLoss&, const BasicNetwork<float>&, const Batch<float>&,
                                   const float*, double, float*);
template double custom_loss<double>(const CustomLoss&, const BasicNetwork<double>&, const Batch<double>&,
                                    const double*, double, double*);

}  // namespace bpnet
