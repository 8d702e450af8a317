// The weights of a convolution as the right operand of its product: packed panels, one part of the depth
// after another, directly from (out, in/groups, kernel height, kernel width).
#pragma once

#include "bpnet/kernels/cpu/convolution/window.h"
#include "bpnet/kernels/cpu/product/block_sizes.h"
#include "bpnet/kernels/cpu/product/transpose.h"

namespace {

// A matrix (depth, columns) cut into parts of `part` rows, and those into panels of kTileColumns columns.
struct PackedPanels {
  real* data;
  size_t depth, part, columns;
};

// Depth of a part; all parts are about equal.
constexpr size_t kMostDepth = kDepth + kDepth / 2;
inline size_t part_depth(size_t depth) {
  return larger(1, ceil_divide(depth, larger(1, ceil_divide(depth, kMostDepth))));
}

inline size_t padded_columns(size_t columns) { return round_up(columns, kTileColumns); }

// Row p of the panel that begins with column `column`.
inline real* panel_row(const PackedPanels& b, size_t p, size_t column) {
  const size_t first = p / b.part * b.part, here = smaller(b.part, b.depth - first);
  return b.data + first * padded_columns(b.columns) + column * here + (p - first) * kTileColumns;
}

// to[…] = the square block of kLanes rows from[…], transposed.
__attribute__((noinline)) void transpose_rows(const real* const* from, real* const* to) {
  vec row[kLanes];
#pragma GCC unroll 16
  for (size_t i = 0; i < kLanes; ++i) row[i] = load(from[i]);
  transpose_rounds<kLanes / 2>(row);
#pragma GCC unroll 16
  for (size_t i = 0; i < kLanes; ++i) store(to[i], row[i]);
}

// The first `count` of kLanes rows of a matrix, zeros for the rest; element i of each is stored in the vector
// at to[i] + offset, i = 0 … depth−1, depth ≤ kLanes. `whole`: all rows exist, with kLanes readable elements
// each.
__attribute__((noinline)) void transpose_to(const real* from, size_t stride, size_t count, size_t depth,
                                            bool whole, real* const* to, size_t offset) {
  if (!whole) {
    for (size_t i = 0; i < depth; ++i) {
      for (size_t r = 0; r < kLanes; ++r) to[i][offset + r] = r < count ? from[r * stride + i] : real(0);
    }
    return;
  }
  alignas(64) real unwanted[kLanes];
  const real* row[kLanes];
  real* vector[kLanes];
  for (size_t i = 0; i < kLanes; ++i) {
    row[i] = from + i * stride;
    vector[i] = i < depth ? to[i] + offset : unwanted;
  }
  transpose_rows(row, vector);
}

// b[(t, c)][o] = w[o][c][t] of one group, in the panel that begins with output `column`.
__attribute__((noinline)) void pack_outputs(const bpnet::ConvolutionSizes& s, const real* w, PackedPanels b,
                                            size_t column) {
  const size_t taps = s.height.kernel * s.width.kernel, in = group_channels(s), patch = taps * in;
  for (size_t e = 0; e < patch; e += kLanes) {
    const size_t depth = smaller(kLanes, patch - e);
    real* row[kLanes] = {};
    for (size_t i = 0, c = e / taps, t = e % taps; i < depth; ++i) {
      row[i] = panel_row(b, t * in + c, column);
      if (++t == taps) t = 0, ++c;
    }
    for (size_t j = 0; j < kTileColumns; j += kLanes) {
      const size_t o = smaller(b.columns, column + j), count = smaller(kLanes, b.columns - o);
      transpose_to(w + o * patch + e, patch, count, depth, count == kLanes && depth == kLanes, row, j);
    }
  }
}

// The packed weights of every class of inputs of a group, one after the other.
__attribute__((noinline)) PackedPanels class_panels(const bpnet::ConvolutionSizes& s, real* group,
                                                    size_t of_class) {
  const size_t y = of_class / s.width.stride, x = of_class % s.width.stride, out = group_outputs(s);
  size_t above = 0, left = 0;  // taps of the previous classes
  for (size_t i = 0; i < y; ++i) above += inputs_side(s.height, i).taps;
  for (size_t i = 0; i < x; ++i) left += inputs_side(s.width, i).taps;
  const size_t tall = inputs_side(s.height, y).taps, wide = inputs_side(s.width, x).taps;
  const size_t first = (above * s.width.kernel + tall * left) * out, depth = tall * wide * out;
  return {group + first * padded_columns(group_channels(s)), depth, part_depth(depth), group_channels(s)};
}

// The class of inputs that a tap belongs to, and its index in the class.
struct ClassTap {
  size_t of_class, index;
};
__attribute__((noinline)) ClassTap class_tap(const bpnet::WindowAxis& a, size_t tap) {
  const size_t shift = a.before / a.stride * a.stride + a.stride;  // a multiple of the stride above `before`
  const size_t of_class = (tap * a.dilation + shift - a.before) % a.stride;
  const WindowSide side = inputs_side(a, of_class);
  return {of_class, size_t((ptrdiff_t(tap) - side.tap) / side.tap_step)};
}

// b[(index of t, o)][c] = w[o][c][t] of one group, in the panels that begin with input `column`.
__attribute__((noinline)) void pack_inputs(const bpnet::ConvolutionSizes& s, const real* w, real* group,
                                           size_t column) {
  const size_t taps = s.height.kernel * s.width.kernel, in = group_channels(s), out = group_outputs(s);
  const real* const end = w + out * in * taps;
  for (size_t t0 = 0; t0 < taps; t0 += kLanes) {
    const size_t depth = smaller(kLanes, taps - t0);
    PackedPanels b[kLanes];
    size_t first[kLanes];  // row of output 0
    for (size_t i = 0; i < depth; ++i) {
      const ClassTap down = class_tap(s.height, (t0 + i) / s.width.kernel);
      const ClassTap across = class_tap(s.width, (t0 + i) % s.width.kernel);
      b[i] = class_panels(s, group, down.of_class * s.width.stride + across.of_class);
      first[i] = (down.index * inputs_side(s.width, across.of_class).taps + across.index) * out;
    }
    for (size_t o = 0; o < out; ++o) {
      real* row[kLanes] = {};
      for (size_t i = 0; i < depth; ++i) row[i] = panel_row(b[i], first[i] + o, column);
      for (size_t j = 0; j < kTileColumns; j += kLanes) {
        const size_t c = smaller(in, column + j), count = smaller(kLanes, in - c);
        const real* const from = w + (o * in + c) * taps + t0;
        if (taps == 1 && count == kLanes) {
          store(row[0] + j, load(from));
          continue;
        }
        const bool whole = count == kLanes && size_t(end - from) >= (kLanes - 1) * taps + kLanes;
        transpose_to(from, taps, count, depth, whole, row, j);
      }
    }
  }
}

}  // namespace
