// Derived from a convolution's sizes: the sizes of a group and of a patch (kernel height, kernel width,
// channels of the group), the elements of the window at one position; the mirrored convolution; the taps
// within the map.
#pragma once

#include "bpnet/kernels/cpu/base/chunks.h"
#include "bpnet/kernels/kernels.h"

namespace {

inline size_t group_channels(const bpnet::ConvolutionSizes& s) { return s.channels / s.groups; }
inline size_t group_outputs(const bpnet::ConvolutionSizes& s) { return s.out_channels / s.groups; }
inline size_t map_positions(const bpnet::ConvolutionSizes& s) { return s.height.out * s.width.out; }
inline size_t patch_size(const bpnet::ConvolutionSizes& s) {
  return s.height.kernel * s.width.kernel * group_channels(s);
}

// A 1 × 1 kernel at every position reads the inputs in the order in which they are stored.
inline bool is_pointwise(const bpnet::WindowAxis& axis) {
  return axis.kernel == 1 && axis.stride == 1 && axis.before == 0 && axis.in == axis.out;
}
inline bool is_pointwise(const bpnet::ConvolutionSizes& s) {
  return is_pointwise(s.height) && is_pointwise(s.width);
}

constexpr size_t kMostTaps = 128;

inline bool is_depthwise(const bpnet::ConvolutionSizes& s) {
  return s.groups > 1 && s.groups == s.channels && s.out_channels == s.channels &&
         s.height.kernel * s.width.kernel <= kMostTaps;
}

// The convolution that gives the gradient of the inputs: that of the outputs, padded, by the mirrored
// weights.
inline bool has_mirror(const bpnet::ConvolutionSizes& s) {
  return s.height.stride == 1 && s.width.stride == 1 &&
         s.height.before <= (s.height.kernel - 1) * s.height.dilation && s.width.before < s.width.kernel;
}
inline bpnet::WindowAxis mirrored(const bpnet::WindowAxis& a) {
  return {a.out, a.in, a.kernel, 1, a.dilation, (a.kernel - 1) * a.dilation - a.before};
}
inline bpnet::ConvolutionSizes mirrored(const bpnet::ConvolutionSizes& s) {
  return {s.n, mirrored(s.height), mirrored(s.width), s.out_channels, s.channels, s.groups};
}

// The taps begin … end−1 of the window of output o are within the axis.
struct Taps {
  size_t begin, end;
};
inline Taps taps_within(const bpnet::WindowAxis& axis, size_t o) {
  const size_t first = o * axis.stride;  // of the padded axis
  const size_t begin = first < axis.before ? ceil_divide(axis.before - first, axis.dilation) : 0;
  const size_t edge = axis.in + axis.before;  // where the inputs end
  const size_t end = first < edge ? smaller(axis.kernel, ceil_divide(edge - first, axis.dilation)) : 0;
  return {smaller(begin, end), end};
}

}  // namespace
