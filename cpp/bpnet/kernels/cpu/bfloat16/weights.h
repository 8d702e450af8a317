// The weights of a convolution in the orders that its products need.
#pragma once

#include "bpnet/kernels/cpu/bfloat16/phases.h"
#include "bpnet/kernels/cpu/convolution/shapes.h"

namespace {

// Between (out, in/groups, kernel) and (out, kernel, in/groups).
inline void reorder_weight(const bpnet::ConvolutionSizes& s, const float* w, float* reordered) {
  const size_t window = s.height.kernel * s.width.kernel, in = group_channels(s), patch = window * in;
  run_chunks(s.out_channels, rows_per_chunk(patch), [&](size_t begin, size_t end, size_t) {
    for (size_t c = begin; c < end; ++c) {
      for (size_t t = 0; t < window; ++t) {
        for (size_t j = 0; j < in; ++j) reordered[c * patch + t * in + j] = w[c * patch + j * window + t];
      }
    }
  });
}

inline void restore_weight(const bpnet::ConvolutionSizes& s, const float* reordered, float* w, bool add) {
  const size_t window = s.height.kernel * s.width.kernel, in = group_channels(s), patch = window * in;
  run_chunks(s.out_channels, rows_per_chunk(patch), [&](size_t begin, size_t end, size_t) {
    for (size_t c = begin; c < end; ++c) {
      for (size_t j = 0; j < in; ++j) {
        for (size_t t = 0; t < window; ++t) {
          float& to = w[c * patch + j * window + t];
          to = reordered[c * patch + t * in + j] + (add ? to : float(0));
        }
      }
    }
  });
}

// (tap down, tap along, channel of y, channel of x) for the taps of a phase, from (channel of y, channel of
// x, tap down, tap along)
inline void phase_weight(const bpnet::ConvolutionSizes& s, const Phase& down, const Phase& along,
                         const float* w, float* to) {
  const size_t out = group_outputs(s), in = group_channels(s), width = s.width.kernel;
  const size_t window = s.height.kernel * width, taps = along.outputs.taps;
  run_tasks(down.outputs.taps * taps, out * in < kChunk, [&](size_t index) {
    const float* const from = w + down.tap(index / taps) * width + along.tap(index % taps);
    for (size_t i = 0; i < out * in; ++i) to[index * out * in + i] = from[i * window];
  });
}

}  // namespace
