// The elements that a position of a convolution's result sums: outputs sum over inputs, and the gradient of
// the input sums over outputs. Both are windows over sources, so one product serves both.
#pragma once

#include "bpnet/kernels/cpu/base/rows.h"
#include "bpnet/kernels/cpu/convolution/shapes.h"

namespace {

// Positions 0 … count−1 along one axis, stored at first + position · every. Position q reads the sources q ·
// step + from + i · from_step for i = 0 … taps−1, those outside 0 … sources−1 being 0, by the kernel's taps
// tap + i · tap_step.
struct WindowSide {
  size_t count, first, every;
  size_t sources, step;
  ptrdiff_t from, from_step;
  size_t taps;
  ptrdiff_t tap, tap_step;
};

inline WindowSide outputs_side(const bpnet::WindowAxis& a) {
  return {a.out, 0, 1, a.in, a.stride, -ptrdiff_t(a.before), ptrdiff_t(a.dilation), a.kernel, 0, 1};
}

inline size_t common_divisor(size_t a, size_t b) {
  while (b != 0) {
    const size_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

// The inputs of class `first` of `stride` classes, which have the same taps: those t for which first + before
// − t · dilation is a multiple of the stride. The last tap comes first, so that sources ascend.
__attribute__((noinline)) WindowSide inputs_side(const bpnet::WindowAxis& a, size_t first) {
  const size_t every = a.stride / common_divisor(a.stride, a.dilation);  // from one such tap to the next
  size_t tap = a.kernel, taps = 0;
  for (size_t t = a.kernel; t-- > 0 && tap == a.kernel;) {
    if ((ptrdiff_t(first + a.before) - ptrdiff_t(t * a.dilation)) % ptrdiff_t(a.stride) == 0) tap = t;
  }
  if (tap < a.kernel) taps = tap / every + 1;
  const ptrdiff_t from = (ptrdiff_t(first + a.before) - ptrdiff_t(tap * a.dilation)) / ptrdiff_t(a.stride);
  const size_t count = first < a.in ? ceil_divide(a.in - first, a.stride) : 0;
  return {count, first,          a.stride,         a.out, 1, from, ptrdiff_t(every * a.dilation / a.stride),
          taps,  ptrdiff_t(tap), -ptrdiff_t(every)};
}

// A patch has (height.taps, width.taps, seen) elements: the window of one position in one group.
struct Window {
  size_t n;
  WindowSide height, width;
  size_t channels;  // of a source
  size_t seen;      // of those, in one group
};

inline size_t patch_size(const Window& w) { return w.height.taps * w.width.taps * w.seen; }
inline size_t positions(const Window& w) { return w.n * w.height.count * w.width.count; }

__attribute__((noinline)) Window outputs_window(const bpnet::ConvolutionSizes& s) {
  return {s.n, outputs_side(s.height), outputs_side(s.width), s.channels, group_channels(s)};
}
inline size_t input_classes(const bpnet::ConvolutionSizes& s) { return s.height.stride * s.width.stride; }
inline size_t most_taps(const bpnet::WindowAxis& a) {  // of a class
  return ceil_divide(a.kernel, a.stride / common_divisor(a.stride, a.dilation));
}
inline size_t most_taps(const bpnet::ConvolutionSizes& s) { return most_taps(s.height) * most_taps(s.width); }
__attribute__((noinline)) Window inputs_window(const bpnet::ConvolutionSizes& s, size_t of_class) {
  return {s.n, inputs_side(s.height, of_class / s.width.stride),
          inputs_side(s.width, of_class % s.width.stride), s.out_channels, group_outputs(s)};
}

// Whether patches equal the sources as they are stored.
inline bool is_plain(const WindowSide& a) {
  return a.taps == 1 && a.step == 1 && a.from == 0 && a.count == a.sources;
}
inline bool is_plain(const Window& w) { return is_plain(w.height) && is_plain(w.width); }

// The range of a window row's taps that is within the sources.
struct Along {
  ptrdiff_t source;   // of tap 0
  size_t begin, end;  // taps within
};
inline Along along(const WindowSide& a, size_t position) {
  const ptrdiff_t source = ptrdiff_t(position * a.step) + a.from;
  const size_t step = size_t(a.from_step);
  const size_t begin = source < 0 ? smaller(a.taps, ceil_divide(size_t(-source), step)) : 0;
  const ptrdiff_t sources = ptrdiff_t(a.sources) - source;
  const size_t end = sources > 0 ? smaller(a.taps, ceil_divide(size_t(sources), step)) : 0;
  return {source, begin, larger(begin, end)};
}

// Elements begin … end−1 of the (width.taps, seen) of one row of sources.
__attribute__((noinline)) void gather_taps(const Window& w, const Along& a, const real* row, size_t begin,
                                           size_t end, real* to) {
  const size_t first = larger(begin, smaller(end, a.begin * w.seen));
  const size_t last = larger(first, smaller(end, a.end * w.seen));
  fill_zero(first - begin, to);
  fill_zero(end - last, to + (last - begin));
  if (w.seen == w.channels && w.width.from_step == 1) {
    copy_row(last - first, row + a.source * ptrdiff_t(w.channels) + first, to + (first - begin));
    return;
  }
  for (size_t at = first; at < last;) {
    const size_t tap = at / w.seen, c = at % w.seen, count = smaller(w.seen - c, last - at);
    const ptrdiff_t source = a.source + ptrdiff_t(tap) * w.width.from_step;
    copy_row(count, row + source * ptrdiff_t(w.channels) + c, to + (at - begin));
    at += count;
  }
}

// A position of the result.
struct Position {
  size_t n, y, x;
};

inline Position position_of(const Window& w, size_t index) {
  const size_t row = index / w.width.count;
  return {row / w.height.count, row % w.height.count, index % w.width.count};
}
inline void advance(const Window& w, Position& at) {
  if (++at.x < w.width.count) return;
  at.x = 0;
  if (++at.y < w.height.count) return;
  at.y = 0;
  ++at.n;
}

// Elements k0 … k1−1 of the patch of one position. sources: those of the group, of the first image.
__attribute__((noinline)) void gather_row(const Window& w, const real* sources, const Position& at, size_t k0,
                                          size_t k1, real* to) {
  const size_t row = w.width.taps * w.seen, line = w.width.sources * w.channels;
  const real* const image = sources + at.n * w.height.sources * line;
  const Along down = along(w.height, at.y), across = along(w.width, at.x);
  size_t tap = k0 / row, begin = k0 % row;
  for (size_t k = k0; k < k1; ++tap, begin = 0) {
    const size_t end = smaller(row, begin + (k1 - k));
    if (tap < down.begin || tap >= down.end) {
      fill_zero(end - begin, to + (k - k0));
    } else {
      const ptrdiff_t source = down.source + ptrdiff_t(tap) * w.height.from_step;
      gather_taps(w, across, image + size_t(source) * line, begin, end, to + (k - k0));
    }
    k += end - begin;
  }
}

// The same of `rows` positions from `position` on, as rows of `stride` elements.
inline void gather_rows(const Window& w, const real* sources, size_t position, size_t rows, size_t k0,
                        size_t k1, real* to, size_t stride) {
  Position at = position_of(w, position);
  for (size_t r = 0; r < rows; ++r, advance(w, at)) gather_row(w, sources, at, k0, k1, to + r * stride);
}

}  // namespace
