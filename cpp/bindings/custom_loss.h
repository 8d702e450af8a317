// A Python function as a CustomLoss.
#pragma once

#include "arrays.h"
#include "bpnet/training/loss.h"

namespace bpnet::bindings {

// The loss of this description. That of a custom loss calls function(outputs, targets) or, where there are
// weights, function(outputs, targets, sample_weight) with the interpreter, on the thread that trains. It
// returns the loss, a float, and its gradient, an array like outputs.
template <class T>
Loss read_loss(const std::string& description, const std::optional<py::function>& function);

extern template Loss read_loss<float>(const std::string&, const std::optional<py::function>&);
extern template Loss read_loss<double>(const std::string&, const std::optional<py::function>&);

}  // namespace bpnet::bindings
