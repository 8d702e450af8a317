// The windows of a convolution: images are rounded to bfloat16 once, each group of channels separately, with
// the zeros of the padding; rows are then copied.
#pragma once

#include "bpnet/kernels/cpu/base/chunks.h"
#include "bpnet/kernels/cpu/bfloat16/panels.h"

namespace {

inline void zero_run(size_t count, bfloat16* to) {
  if (count) __builtin_memset(to, 0, count * sizeof *to);
}

// Along one axis the window of position o reads o · step + first + t · every for t = 0 … taps−1.
struct WindowTaps {
  size_t positions = 1;
  size_t in;  // of the axis; elements outside are 0
  size_t step;
  ptrdiff_t first;
  size_t every, taps;

  size_t zeros_before() const { return first < 0 ? size_t(-first) : 0; }
  size_t zeros_after() const {
    const ptrdiff_t last = ptrdiff_t((positions - 1) * step + (taps - 1) * every) + first;
    return last < ptrdiff_t(in) ? 0 : size_t(last) - in + 1;
  }
};

// Rounded images: (group, image, row, zeros before | pixels | zeros after, channel of the group).
struct Images {
  size_t count, rows, columns, channels, groups;
  size_t before, after;  // zeros of a row, pixels

  size_t in() const { return channels / groups; }
  size_t row() const { return (before + columns + after) * in(); }  // elements
  size_t image() const { return rows * row(); }
  // Rows are copied 32 elements at a time, and up to 31 beyond the last may be read.
  size_t elements() const { return groups * count * image() + kBlockDepth; }
};

inline void round_images(const Images& images, const float* x, bfloat16* to) {
  const size_t lines = images.count * images.rows, in = images.in();
  run_chunks(lines, rows_per_chunk(images.columns * images.channels), [&](size_t begin, size_t end, size_t) {
    for (size_t line = begin; line < end; ++line) {
      const float* const from = x + line * images.columns * images.channels;
      for (size_t g = 0; g < images.groups; ++g) {
        bfloat16* row = to + (g * lines + line) * images.row();
        zero_run(images.before * in, row);
        row += images.before * in;
        if (images.groups == 1) {
          round_run(images.columns * in, from, row);
        } else {
          for (size_t p = 0; p < images.columns; ++p) {
            round_run(in, from + p * images.channels + g * in, row + p * in);
          }
        }
        zero_run(images.after * in, row + images.columns * in);
      }
    }
  });
}

// A row for each position (image, down, along); its elements are (tap down, tap along, channel).
struct Windows {
  const bfloat16* x;       // of a group
  size_t in, row, image;   // elements of a pixel, row and image
  WindowTaps down, along;  // the first of `along` is relative to the zeros before the row

  size_t row_elements() const { return down.taps * along.taps * in; }
};

// `along` relative to the pixels.
inline Windows windows_on(const Images& images, const bfloat16* rounded, size_t g, WindowTaps down,
                          WindowTaps along) {
  along.first += ptrdiff_t(images.before);
  return {
      rounded + g * images.count * images.image(), images.in(), images.row(), images.image(), down, along};
}

// The start of a position's window, for successive positions.
struct WindowCursor {
  WindowCursor(const Windows& windows, size_t position) : w(windows) {
    const size_t map = w.down.positions * w.along.positions, within = position % map;
    image = w.x + position / map * w.image;
    y = within / w.along.positions;
    x = within % w.along.positions;
  }
  void next() {
    if (++x < w.along.positions) return;
    x = 0;
    if (++y < w.down.positions) return;
    y = 0;
    image += w.image;
  }

  const Windows& w;
  const bfloat16* image;
  size_t y, x;
};

// Whole blocks of 32, which may exceed `count` in both arrays.
inline void copy_blocks(size_t count, const bfloat16* from, bfloat16* to) {
  for (size_t i = 0; i < count; i += kBlockDepth) {
    __builtin_memcpy(to + i, from + i, kBlockDepth * sizeof *to);
  }
}

// Elements of a window from the one at (tap down, tap along, channel) on.
struct WindowStart {
  size_t down, along, channel;
};
inline WindowStart window_start(const Windows& w, size_t element) {
  const size_t tap_row = w.along.taps * w.in, within = element % tap_row;
  return {element / tap_row, within / w.in, within % w.in};
}

// `count` elements of the row at the cursor; up to 31 more are written.
inline void copy_window(const WindowCursor& at, WindowStart start, size_t count, bfloat16* to) {
  const Windows& w = at.w;
  const ptrdiff_t y0 = ptrdiff_t(at.y * w.down.step) + w.down.first;
  const size_t column = size_t(ptrdiff_t(at.x * w.along.step) + w.along.first) * w.in;
  for (bfloat16* const end = to + count; to < end; ++start.down, start.along = 0) {
    const ptrdiff_t y = y0 + ptrdiff_t(start.down * w.down.every);
    const bfloat16* const row = at.image + y * ptrdiff_t(w.row) + column;
    const bool inside = y >= 0 && y < ptrdiff_t(w.down.in);
    const size_t skipped = start.along * w.in + start.channel;
    const size_t run = smaller(size_t(end - to), w.along.taps * w.in - skipped);
    if (!inside) {
      zero_run(run, to);
    } else if (w.along.every == 1) {
      copy_blocks(run, row + skipped, to);
    } else {
      size_t tap = start.along, channel = start.channel;
      for (size_t done = 0; done < run; channel = 0, ++tap) {
        const size_t part = smaller(w.in - channel, run - done);
        copy_blocks(part, row + tap * w.along.every * w.in + channel, to + done);
        done += part;
      }
    }
    start.channel = 0;
    to += run;
  }
}

}  // namespace
