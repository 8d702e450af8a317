// What is measured beside the loss.
#pragma once

#include "bpnet/training/dataset.h"
#include "bpnet/training/loss.h"

namespace bpnet {

// Whether it says which answers are right: true for the two cross-entropies. Kernels::judge says which they
// are.
bool has_accuracy(const Loss& loss);

struct Evaluation {  // sums over samples; the loss is loss_sum / weight_sum
  double loss_sum = 0;
  double weight_sum = 0;
  std::size_t correct = 0;
};

// The loss and accuracy on rows begin … end−1, in evaluation mode. Throws where data, loss and network do not
// fit together.
template <class T>
Evaluation evaluate(BasicNetwork<T>& network, const Loss& loss, const Dataset<T>& data, std::size_t begin,
                    std::size_t end);

}  // namespace bpnet
