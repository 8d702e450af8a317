// The inputs of a convolution by phase, their position modulo the stride: each phase has its own taps.
#pragma once

#include "bpnet/kernels/cpu/bfloat16/windows.h"

namespace {

// Along one axis, the inputs first, first + stride …, and the taps that read them. Tap t of output (i +
// before − t·dilation) / stride reads input i.
struct Phase {
  size_t first;
  size_t last_tap, every;
  WindowTaps outputs;  // the outputs that read an input, as its window on them; no taps: none do

  size_t tap(size_t index) const { return last_tap - index * every; }  // the tap that is outputs' tap `index`
};

inline size_t phases_of(const bpnet::WindowAxis& axis) { return smaller(axis.stride, axis.in); }

inline Phase phase_of(const bpnet::WindowAxis& axis, size_t first) {
  const size_t stride = axis.stride;
  Phase phase = {first, 0, 1, {ceil_divide(axis.in - first, stride), axis.out, 1, 0, 1, 0}};
  const auto fits = [&](size_t tap) {
    return (first + axis.before) % stride == tap * axis.dilation % stride;
  };
  size_t tap = 0;
  while (tap < axis.kernel && !fits(tap)) ++tap;
  if (tap == axis.kernel) return phase;
  while (tap + phase.every < axis.kernel && !fits(tap + phase.every)) ++phase.every;
  phase.outputs.taps = ceil_divide(axis.kernel - tap, phase.every);
  phase.last_tap = tap + (phase.outputs.taps - 1) * phase.every;
  const ptrdiff_t shift = ptrdiff_t(first + axis.before) - ptrdiff_t(phase.last_tap * axis.dilation);
  phase.outputs.first = shift / ptrdiff_t(stride);  // exact
  if (phase.outputs.taps > 1) phase.outputs.every = phase.every * axis.dilation / stride;
  return phase;
}

}  // namespace
