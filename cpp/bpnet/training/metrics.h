// What is measured beside the loss.
#pragma once

#include <optional>

#include "bpnet/training/dataset.h"
#include "bpnet/training/loss.h"

namespace bpnet {

bool has_accuracy(const Loss& loss);  // true for the two cross-entropies

// How many of the rows are right: cross-entropy's largest output is the labelled (or likeliest) class;
// for binary cross-entropy every output is on its target's side of 0.
template <class T>
std::size_t count_correct(const Loss& loss, std::size_t rows, std::size_t columns, const T* output,
                          const T* targets, const std::int64_t* labels);

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
