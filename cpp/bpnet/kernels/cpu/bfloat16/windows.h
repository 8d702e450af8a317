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

// Zeros around the elements of an axis.
struct Zeros {
  size_t before, after;

  void include(const WindowTaps& taps) {
    before = larger(before, taps.zeros_before());
    after = larger(after, taps.zeros_after());
  }
};

// Rounded images: (group, image, rows of zeros | rows | rows of zeros, zeros | pixels | zeros, channel of the
// group).
struct Images {
  size_t count, rows, columns, channels, groups;
  Zeros down, along;

  size_t in() const { return channels / groups; }
  size_t row() const { return (along.before + columns + along.after) * in(); }  // elements
  size_t image_rows() const { return down.before + rows + down.after; }
  size_t image() const { return image_rows() * row(); }
  // Rows are copied 32 elements at a time, and the tiles of the last image begin at up to 31 pixels more.
  size_t elements() const { return groups * count * image() + 2 * kPanelLines * in() + kBlockDepth; }
};

inline void round_images(const Images& images, const float* x, bfloat16* to) {
  const size_t lines = images.count * images.image_rows(), in = images.in();
  run_chunks(lines, rows_per_chunk(images.columns * images.channels), [&](size_t begin, size_t end, size_t) {
    for (size_t line = begin; line < end; ++line) {
      const size_t image = line / images.image_rows(), y = line % images.image_rows() - images.down.before;
      const float* const from = x + (image * images.rows + y) * images.columns * images.channels;
      for (size_t g = 0; g < images.groups; ++g) {
        bfloat16* row = to + (g * lines + line) * images.row();
        if (y >= images.rows) {  // or before the first, which wraps around
          zero_run(images.row(), row);
          continue;
        }
        zero_run(images.along.before * in, row);
        row += images.along.before * in;
        if (images.groups == 1) {
          round_run(images.columns * in, from, row);
        } else {
          for (size_t p = 0; p < images.columns; ++p) {
            round_run(in, from + p * images.channels + g * in, row + p * in);
          }
        }
        zero_run(images.along.after * in, row + images.columns * in);
      }
    }
  });
}

// A row for each position (image, down, along); its elements are (tap down, tap along, channel).
struct Windows {
  const bfloat16* x;       // of a group
  size_t in, row, image;   // elements of a pixel, row and image
  WindowTaps down, along;  // their first elements are relative to the zeros, so they are not negative

  size_t row_elements() const { return down.taps * along.taps * in; }
};

// `down` and `along` relative to the pixels.
inline Windows windows_on(const Images& images, const bfloat16* rounded, size_t g, WindowTaps down,
                          WindowTaps along) {
  down.first += ptrdiff_t(images.down.before);
  along.first += ptrdiff_t(images.along.before);
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

  const bfloat16* window() const {  // its first element
    const size_t row = y * w.down.step + size_t(w.down.first);
    return image + row * w.row + (x * w.along.step + size_t(w.along.first)) * w.in;
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

// `count` elements of a window, which begins at `window`; up to 31 more are written.
inline void copy_window(const Windows& w, const bfloat16* window, WindowStart start, size_t count,
                        bfloat16* to) {
  for (bfloat16* const end = to + count; to < end; ++start.down, start.along = 0) {
    const bfloat16* const row = window + start.down * w.down.every * w.row;
    const size_t skipped = start.along * w.in + start.channel;
    const size_t run = smaller(size_t(end - to), w.along.taps * w.in - skipped);
    if (w.along.every == 1) {
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
