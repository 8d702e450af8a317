// A user-defined loss: a function on the host.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>

#include "bpnet/core/shape.h"

namespace bpnet {

// A batch, in the host's memory and valid during the call.
template <class T>
struct CustomBatch {
  std::size_t rows;
  Shape output_shape;         // of one sample
  const T* output;            // (rows, *output_shape) the network's outputs
  const T* target;            // (rows, outputs), or null when labels are given
  const std::int64_t* label;  // (rows,) class indices, or null when targets are given
  const T* sample_weight;     // (rows,), or null: 1 each
  T* gradient;  // (rows, *output_shape) = d loss / d output, to be written; null when not needed

  std::size_t outputs() const { return output_shape.count(); }  // numbers of a sample
};

// function(batch), of a CustomBatch<float> or a CustomBatch<double>, by the network's type, returns the loss:
// the mean over the batch, where sample_weight is given the weighted one, Σ weight · loss / Σ weight. It runs
// on the thread that trains, and may not use the network or its trainer. An exception ends the step or the
// evaluation and changes nothing; so does a gradient that is not finite. It is not called for a batch whose
// weights are all 0. evaluate() takes its mean over pieces of the data, each weighted by its weights' sum.
//
//   CustomLoss quantile{"quantile", [](const auto& batch) -> double { … }};
//
// A run's file stores only the name: the loss is passed to Trainer::load again.
struct CustomLoss {
  template <class Function>
  CustomLoss(std::string name_, Function function) : name(std::move(name_)) {
    if constexpr (std::is_invocable_r_v<double, Function, const CustomBatch<float>&>) single = function;
    if constexpr (std::is_invocable_r_v<double, Function, const CustomBatch<double>&>) twofold = function;
  }
  explicit CustomLoss(std::string name_) : name(std::move(name_)) {}  // as stored in a file

  template <class T>
  const std::function<double(const CustomBatch<T>&)>& of() const {
    if constexpr (std::is_same_v<T, float>) {
      return single;
    } else {
      return twofold;
    }
  }

  std::string name;
  std::function<double(const CustomBatch<float>&)> single;    // of networks in float
  std::function<double(const CustomBatch<double>&)> twofold;  // of networks in double
};

}  // namespace bpnet
