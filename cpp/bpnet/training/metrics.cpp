#include "bpnet/training/metrics.h"

#include <algorithm>

#include "bpnet/core/error.h"
#include "bpnet/training/batch_loss.h"

namespace bpnet {

bool has_accuracy(const Loss& loss) {
  return std::holds_alternative<CrossEntropy>(loss) ||
         std::holds_alternative<BinaryCrossEntropyWithLogits>(loss);
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
  // As many samples at a time as have about kElements numbers.
  constexpr std::size_t kElements = std::size_t{1} << 22;
  const std::size_t rows_at_once =
      std::clamp<std::size_t>(kElements / std::max<std::size_t>(1, data.features), 16, 256);
  BatchSource<T> source(network);
  BatchLoss<T> batch_loss(network, loss);
  Arena output(network.memory());
  source.reserve(rows_at_once);
  batch_loss.reserve(rows_at_once);
  output.reserve(rows_at_once * network.output_shape().count() * sizeof(T));
  batch_loss.write({});
  const DatasetView<T>* const copy = source.copy_of(dataset);
  for (std::size_t first = begin; first < end; first += rows_at_once) {
    const Batch<T> batch = source.rows(data, copy, first, std::min(rows_at_once, end - first));
    network.infer(batch.x, batch.count, output.at<T>(0));
    const LossArgs<T> args = batch_loss.args(batch, output.at<T>(0), nullptr);
    batch_loss.weigh(batch);
    batch_loss.scale_to_sum(batch);
    batch_loss.run(batch, args, Tally::kEvaluation);
    batch_loss.judge(args, Tally::kEvaluation);
    batch_loss.tally(Tally::kEvaluation);
  }
  const Sums sums = batch_loss.read();
  return {sums.loss, sums.weight, static_cast<std::size_t>(sums.correct)};
}

template Evaluation evaluate<float>(BasicNetwork<float>&, const Loss&, const Dataset<float>&, std::size_t,
                                    std::size_t);
template Evaluation evaluate<double>(BasicNetwork<double>&, const Loss&, const Dataset<double>&, std::size_t,
                                     std::size_t);

}  // namespace bpnet
