// What a convolution's windows see, row by row in bfloat16, cut straight from the images.
#pragma once

#include "bpnet/kernels/cpu/bfloat16/panels.h"

namespace {

// Along one axis the window of position o sees o · step + first + t · every for t = 0 … taps−1.
struct WindowTaps {
  size_t positions, in;  // of one image
  size_t step;
  ptrdiff_t first, every;
  size_t taps;
};

// A row for each position (image, down, along); its elements are (tap down, tap along, channel).
struct Windows {
  const float* x;   // the first image, from the first of the channels on
  size_t channels;  // of x
  size_t in;        // of these, seen
  WindowTaps down, along;

  size_t row_elements() const { return down.taps * along.taps * in; }
};

inline void zero_run(size_t count, bfloat16* to) { __builtin_memset(to, 0, count * sizeof *to); }

// Taps begin … end−1 of those of a window that starts at x are within the axis.
struct TapsInside {
  size_t begin, end;
};
inline TapsInside taps_inside(const WindowTaps& axis, ptrdiff_t start) {
  const ptrdiff_t in = ptrdiff_t(axis.in), taps = ptrdiff_t(axis.taps), every = axis.every;
  const auto steps = [](ptrdiff_t way, ptrdiff_t step) {  // how many steps lead past `way`, at least
    return way <= 0 ? 0 : (way + step - 1) / step;
  };
  ptrdiff_t begin, end;
  if (every > 0) {
    begin = steps(-start, every);
    end = steps(in - start, every);
  } else {
    begin = steps(start - in + 1, -every);
    end = steps(start + 1, -every);
  }
  end = end < taps ? end : taps;
  return {size_t(begin < end ? begin : end), size_t(end)};
}

// Elements begin … end−1 of one tap down, whose row of the image is at `row`.
inline void cut_tap_row(const Windows& w, const float* row, ptrdiff_t start, TapsInside inside, size_t begin,
                        size_t end, bfloat16* to) {
  const size_t first = larger(begin, smaller(end, inside.begin * w.in));
  const size_t last = larger(first, smaller(end, inside.end * w.in));
  zero_run(first - begin, to);
  zero_run(end - last, to + (last - begin));
  if (w.along.every == 1 && w.in == w.channels) {
    round_run(last - first, row + start * ptrdiff_t(w.channels) + first, to + (first - begin));
    return;
  }
  for (size_t e = first; e < last;) {
    const size_t tap = e / w.in, channel = e % w.in, count = smaller(w.in - channel, last - e);
    const ptrdiff_t x = start + ptrdiff_t(tap) * w.along.every;
    round_run(count, row + x * ptrdiff_t(w.channels) + channel, to + (e - begin));
    e += count;
  }
}

// Elements begin … end−1 of the row of `position`.
inline void cut_window(const Windows& w, size_t position, size_t begin, size_t end, bfloat16* to) {
  const size_t map = w.down.positions * w.along.positions, within = position % map;
  const ptrdiff_t y0 = ptrdiff_t(within / w.along.positions * w.down.step) + w.down.first;
  const ptrdiff_t x0 = ptrdiff_t(within % w.along.positions * w.along.step) + w.along.first;
  const float* const image = w.x + position / map * w.down.in * w.along.in * w.channels;
  const size_t tap_row = w.along.taps * w.in;
  const TapsInside inside = taps_inside(w.along, x0);
  for (size_t e = begin; e < end;) {
    const size_t tap = e / tap_row, base = tap * tap_row, stop = smaller(end, base + tap_row);
    const ptrdiff_t y = y0 + ptrdiff_t(tap) * w.down.every;
    if (y < 0 || y >= ptrdiff_t(w.down.in)) {
      zero_run(stop - e, to);
    } else {
      cut_tap_row(w, image + size_t(y) * w.along.in * w.channels, x0, inside, e - base, stop - base, to);
    }
    to += stop - e;
    e = stop;
  }
}

}  // namespace
