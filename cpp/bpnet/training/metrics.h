// Metrics beside the loss.
#pragma once

#include "bpnet/training/dataset.h"
#include "bpnet/training/loss.h"

namespace bpnet {

// Whether accuracy is defined for it: true for the two cross-entropies. Kernels::judge decides which answers
// are correct.
bool has_accuracy(const Loss& loss);

struct Evaluation {  // sums over samples; the loss is loss_sum / weight_sum
  double loss_sum = 0;
  double weight_sum = 0;
  std::size_t correct = 0;
};

// The loss and accuracy on rows begin … end−1, in evaluation mode. Throws where data, loss and network are
// incompatible.
template <class T>
Evaluation evaluate(BasicNetwork<T>& network, const Loss& loss, const Dataset<T>& data, std::size_t begin,
                    std::size_t end);

}  // namespace bpnet
