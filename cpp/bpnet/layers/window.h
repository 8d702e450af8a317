// Shared by convolution and pooling: windows that slide over a map, and their checks.
#pragma once

#include "bpnet/core/shape.h"
#include "bpnet/kernels/kernels.h"

namespace bpnet {

// One axis of a window as described by the user.
struct AxisOptions {
  std::size_t in, kernel, stride, dilation;
  std::size_t before, after;  // padding
  // A last window that extends beyond the edge counts, if it begins on the map or before it.
  bool ceil = false;
};

// A ShapeError unless the input is (channels, height, width).
void check_map(const char* operation, const Shape& input);

// The axis with its number of outputs; a ShapeError where not even one fits. `extent` is "high" or "wide".
WindowAxis sliding_axis(const char* operation, const char* extent, const AxisOptions& options);

}  // namespace bpnet
