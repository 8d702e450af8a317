#include "bpnet/training/metrics.h"

#include <algorithm>
#include <vector>

#include "bpnet/core/error.h"

namespace bpnet {
namespace {

template <class T>
std::size_t largest(std::size_t count, const T* x) {
  return static_cast<std::size_t>(std::max_element(x, x + count) - x);
}

template <class T>
bool same_side(std::size_t count, const T* output, const T* target) {
  for (std::size_t j = 0; j < count; ++j) {
    if ((output[j] > 0) != (target[j] > T(0.5))) return false;
  }
  return true;
}

}  // namespace

bool has_accuracy(const Loss& loss) {
  return std::holds_alternative<CrossEntropy>(loss) ||
         std::holds_alternative<BinaryCrossEntropyWithLogits>(loss);
}

template <class T>
std::size_t count_correct(const Loss& loss, std::size_t rows, std::size_t columns, const T* output,
                          const T* targets, const std::int64_t* labels) {
  if (!has_accuracy(loss)) return 0;
  const bool binary = std::holds_alternative<BinaryCrossEntropyWithLogits>(loss);
  std::size_t correct = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    const T* x = output + r * columns;
    if (labels) {
      correct += largest(columns, x) == static_cast<std::size_t>(labels[r]);
    } else if (binary) {
      correct += same_side(columns, x, targets + r * columns);
    } else {
      correct += largest(columns, x) == largest(columns, targets + r * columns);
    }
  }
  return correct;
}

template <class T>
Evaluation evaluate(BasicNetwork<T>& network, const Loss& loss, const Dataset<T>& dataset, std::size_t begin,
                    std::size_t end) {
  const DatasetView<T>& data = dataset.view();
  check_loss(loss, network);
  check_data("evaluate", data, loss, network);
  if (begin > end || end > data.count) {
    fail<ShapeError>("evaluate: rows ", begin, " to ", end, " were asked for, the data has ", data.count);
  }
  // As many samples at a time as make about kElements numbers.
  constexpr std::size_t kElements = std::size_t{1} << 22;
  const std::size_t rows_at_once =
      std::clamp<std::size_t>(kElements / std::max<std::size_t>(1, data.features), 16, 256);
  const std::size_t columns = network.output_shape().count();
  const std::vector<double>& weights = loss_class_weight(loss);
  const std::vector<T> class_weight(weights.begin(), weights.end());
  std::vector<T> x(rows_at_once * data.features), output(rows_at_once * columns), row_scale(rows_at_once);
  network.reserve_scratch(network.kernels().loss_workspace(rows_at_once, columns));

  Evaluation result;
  for (std::size_t first = begin; first < end; first += rows_at_once) {
    const std::size_t rows = std::min(rows_at_once, end - first);
    gather_rows(data.x, data.x_type, data.features, nullptr, first, rows, x.data());
    network.forward(x.data(), rows, output.data());
    const std::int64_t* labels = data.labels ? data.labels + first : nullptr;
    const T* targets = data.targets ? data.targets + first * columns : nullptr;
    for (std::size_t r = 0; r < rows; ++r) {
      row_scale[r] = data.sample_weight ? data.sample_weight[first + r] : T(1);
      const double by_class = labels && !class_weight.empty() ? double(class_weight[labels[r]]) : 1.0;
      result.weight_sum += double(row_scale[r]) * by_class;
    }
    const LossArgs<T> args{loss_kind(loss),
                           loss_parameter(loss),
                           rows,
                           columns,
                           output.data(),
                           targets,
                           labels,
                           class_weight.empty() ? nullptr : class_weight.data(),
                           row_scale.data(),
                           nullptr};
    result.loss_sum += network.kernels().loss(network.context(), args);
    result.correct += count_correct(loss, rows, columns, output.data(), targets, labels);
  }
  return result;
}

template std::size_t count_correct<float>(const Loss&, std::size_t, std::size_t, const float*, const float*,
                                          const std::int64_t*);
template std::size_t count_correct<double>(const Loss&, std::size_t, std::size_t, const double*,
                                           const double*, const std::int64_t*);
template Evaluation evaluate<float>(BasicNetwork<float>&, const Loss&, const Dataset<float>&, std::size_t,
                                    std::size_t);
template Evaluation evaluate<double>(BasicNetwork<double>&, const Loss&, const Dataset<double>&, std::size_t,
                                     std::size_t);

}  // namespace bpnet
