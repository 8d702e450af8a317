// Convolutions by a library: cudnn.cpp, the only file that uses cuDNN.
#pragma once

#include <array>

#include "bpnet/kernels/kernels.h"

namespace bpnet::cuda {

// forward: a = x, b = w, result = y;  input: a = grad_y, b = w, result = grad_x;  weight: a = x, b = grad_y,
// result = grad_w.
enum class ConvolutionPass : size_t { kForward, kInput, kWeight };

enum class Layout : size_t {
  kChannelsLast,   // images (n, height, width, channels), weights (out, kernel height, kernel width,
                   // in/groups)
  kChannelsFirst,  // images (n, channels, height, width), weights (out, in/groups, kernel height, kernel
                   // width)
};

struct ConvolutionPlan;  // how the library computes one

// Padding is the same before and after, and out = ⌊(in + 2 before − extent) / stride⌋ + 1 on each axis, where
// extent is (kernel − 1) dilation + 1. No size is 0. Null where the library does not support it; always the
// same for the same sizes. The first call for some sizes may allocate memory and wait for the GPU; later ones
// do neither, so that they can be captured in a graph.
template <class T>
const ConvolutionPlan* library_plan(Context&, ConvolutionPass, Layout, const ConvolutionSizes&);

// The most bytes of workspace of a plan of these sizes; grows with the batch. Elements have `element` bytes.
size_t library_workspace(const ConvolutionSizes&, size_t element, Layout);

// result =, or += with `accumulate`; `workspace` has library_workspace bytes.
template <class T>
void library_convolution(Context&, const ConvolutionPlan&, const T* a, const T* b, T* result, void* workspace,
                         bool accumulate);

// The key of a plan.
using ConvolutionKey = std::array<size_t, 20>;
inline ConvolutionKey convolution_key(ConvolutionPass pass, Layout layout, size_t element,
                                      Precision precision, const ConvolutionSizes& s) {
  const WindowAxis &h = s.height, &w = s.width;
  return {static_cast<size_t>(pass),
          static_cast<size_t>(layout),
          element,
          static_cast<size_t>(precision),
          s.n,
          s.channels,
          s.out_channels,
          s.groups,
          h.in,
          h.out,
          h.kernel,
          h.stride,
          h.dilation,
          h.before,
          w.in,
          w.out,
          w.kernel,
          w.stride,
          w.dilation,
          w.before};
}

}  // namespace bpnet::cuda
