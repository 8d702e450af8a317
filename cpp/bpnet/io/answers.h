// The meaning of a network's outputs: a class, probabilities, numbers in the target's unit. For outputs that
// are not finite each function throws a NumericError.
#pragma once

#include <cstddef>

#include "bpnet/io/preprocessing.h"

namespace bpnet {

// How many classes `outputs` outputs distinguish.
std::size_t class_count(OutputKind kind, std::size_t outputs);

// The class's index for one sample's outputs (count,): the largest, the first of equals; of a logit the
// second class where it is above 0.
std::size_t decide(OutputKind kind, const double* outputs, std::size_t count);

// p (class_count(),) for one sample's outputs (count,): softmax, or the logistic function of a logit. A
// ValueError for values, which are no logits.
void probabilities(OutputKind kind, const double* outputs, std::size_t count, double* p);

// values (count,) = outputs · scale + mean, in place
void rescale(double mean, double scale, double* outputs, std::size_t count);

}  // namespace bpnet
