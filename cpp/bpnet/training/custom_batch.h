// A CustomLoss of a batch that is in the backend's memory.
#pragma once

#include "bpnet/training/batch.h"
#include "bpnet/training/custom_loss.h"

namespace bpnet {

// The batch's Σ weight · loss / weight_sum, and unless grad_output (rows, outputs) is null its gradient by
// output (rows, outputs). weight_sum is Σ weight of all batches that make the step together. A loss that is
// not finite is returned and comes without a gradient; a gradient that is not finite is a NumericError.
template <class T>
double custom_loss(const CustomLoss& loss, const BasicNetwork<T>& network, const Batch<T>& batch,
                   const T* output, double weight_sum, T* grad_output);

}  // namespace bpnet
