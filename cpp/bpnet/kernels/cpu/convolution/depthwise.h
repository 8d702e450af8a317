// Depthwise convolution: a channel is a lane, and the outputs of a row are summed in registers, tap by tap,
// from where the inputs are stored.
#pragma once

#include "bpnet/kernels/cpu/activation.h"
#include "bpnet/kernels/cpu/base/parts.h"
#include "bpnet/kernels/cpu/base/rows.h"
#include "bpnet/kernels/cpu/base/scratch.h"
#include "bpnet/kernels/cpu/convolution/shapes.h"

namespace {

// Taps first, first + every … of a window along one axis.
struct TapRange {
  size_t first, every, count;
};

// Which inputs an output sums: the sources of a position are those of its taps.
struct OutputsOf {
  static size_t positions(const bpnet::WindowAxis& a) { return a.out; }
  static size_t sources(const bpnet::WindowAxis& a) { return a.in; }
  static size_t classes(const bpnet::WindowAxis&) { return 1; }  // of positions that have the same taps
  static size_t source_step(const bpnet::WindowAxis& a) {
    return a.stride;
  }  // from one position of a class to the next
  static size_t source(const bpnet::WindowAxis& a, size_t position, size_t tap) {
    return position * a.stride + tap * a.dilation - a.before;
  }
  static TapRange taps(const bpnet::WindowAxis& a, size_t position) {
    const Taps taps = taps_within(a, position);
    return {taps.begin, 1, taps.end - taps.begin};
  }
};

// Which outputs read an input: the gradient by it is the sum of theirs.
struct InputsOf {
  static size_t positions(const bpnet::WindowAxis& a) { return a.in; }
  static size_t sources(const bpnet::WindowAxis& a) { return a.out; }
  static size_t classes(const bpnet::WindowAxis& a) { return a.stride; }
  static size_t source_step(const bpnet::WindowAxis&) { return 1; }
  static size_t source(const bpnet::WindowAxis& a, size_t position, size_t tap) {
    return (position + a.before - tap * a.dilation) / a.stride;
  }
  static TapRange taps(const bpnet::WindowAxis& a, size_t position) {
    TapRange range = {0, 1, 0};
    for (size_t tap = 0; tap < a.kernel; ++tap) {
      const size_t shifted = position + a.before, back = tap * a.dilation;
      if (shifted < back || (shifted - back) % a.stride != 0 || (shifted - back) / a.stride >= a.out)
        continue;
      if (range.count == 0) range.first = tap;
      if (range.count == 1) range.every = tap - range.first;
      ++range.count;
    }
    return range;
  }
};

// The positions begin, begin + classes … before `end` of one class that all have the same, largest number of
// taps.
struct Inner {
  size_t begin, end;
};
template <class Way>
inline Inner inner_positions(const bpnet::WindowAxis& axis, size_t of_class) {
  const size_t step = Way::classes(axis), positions = Way::positions(axis);
  Inner inner = {positions, positions};
  TapRange most = {0, 1, 0};
  for (size_t p = of_class; p < positions; p += step) {
    const TapRange taps = Way::taps(axis, p);
    if (taps.count > most.count) {
      most = taps;
      inner = {p, p + step};
    } else if (taps.count == most.count && taps.first == most.first && p == inner.end) {
      inner.end = p + step;
    }
  }
  return inner;
}

struct TapSource {
  const real *from, *weight;  // (channels,) of the first position
};

// A vector of channels, or the last ones.
struct WholeVector {
  vec get(const real* p) const { return load(p); }
  void put(real* p, vec v) const { store(p, v); }
};
struct LastVector {
  size_t lanes;
  vec get(const real* p) const { return load_lanes(p, lanes); }
  void put(real* p, vec v) const { store_lanes(p, v, lanes); }
};

// to_p = start + Σ_t weight_t · from_t, p = 0 … kOutputs−1
template <size_t kOutputs, class Vector>
inline void sum_taps(const TapSource* taps, size_t count, size_t at, size_t step, const Vector& vector,
                     vec start, real* to, size_t to_step) {
  vec sum[kOutputs];
#pragma GCC unroll 8
  for (size_t p = 0; p < kOutputs; ++p) sum[p] = start;
  for (size_t t = 0; t < count; ++t) {
    const vec weight = vector.get(taps[t].weight);
    const real* const from = taps[t].from + at;
#pragma GCC unroll 8
    for (size_t p = 0; p < kOutputs; ++p) sum[p] += weight * vector.get(from + p * step);
  }
#pragma GCC unroll 8
  for (size_t p = 0; p < kOutputs; ++p) vector.put(to + p * to_step, sum[p]);
}

// The same for `outputs` positions.
template <class Vector>
inline void sum_positions(const TapSource* taps, size_t count, size_t step, const Vector& vector, vec start,
                          size_t outputs, real* to, size_t to_step) {
  size_t p = 0;
  for (; p + 8 <= outputs; p += 8) {
    sum_taps<8>(taps, count, p * step, step, vector, start, to + p * to_step, to_step);
  }
  for (; p + 2 <= outputs; p += 2) {
    sum_taps<2>(taps, count, p * step, step, vector, start, to + p * to_step, to_step);
  }
  if (p < outputs) sum_taps<1>(taps, count, p * step, step, vector, start, to + p * to_step, to_step);
}

// The same for all channels; the taps advance with them.
__attribute__((noinline)) void sum_row(TapSource* taps, size_t count, size_t step, size_t channels,
                                       const real* bias, size_t outputs, real* to, size_t to_step) {
  size_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) {
    sum_positions(taps, count, step, WholeVector(), bias ? load(bias + c) : vec{}, outputs, to + c, to_step);
    for (size_t t = 0; t < count; ++t) taps[t] = {taps[t].from + kLanes, taps[t].weight + kLanes};
  }
  if (c == channels) return;
  if (channels < kLanes) {
    const LastVector last = {channels};
    sum_positions(taps, count, step, last, bias ? last.get(bias) : vec{}, outputs, to, to_step);
    return;
  }
  const size_t again = c + kLanes - channels;  // channels of the last vector that are already done
  c -= again;
  for (size_t t = 0; t < count; ++t) taps[t] = {taps[t].from - again, taps[t].weight - again};
  sum_positions(taps, count, step, WholeVector(), bias ? load(bias + c) : vec{}, outputs, to + c, to_step);
}

// The arrays of a pass; weight (taps, channels).
struct DepthwisePass {
  const bpnet::ConvolutionSizes& s;
  const real *from, *weight, *bias;
  real* to;
};

// The positions of one class in one row.
template <class Way>
inline void depthwise_row(const DepthwisePass& pass, size_t r, size_t of_class, const Inner& inner) {
  const bpnet::WindowAxis &h = pass.s.height, &w = pass.s.width;
  const size_t classes = Way::classes(w), positions = Way::positions(w), channels = pass.s.channels;
  const size_t row = r % Way::positions(h), image = r / Way::positions(h);
  const real* const from = pass.from + image * Way::sources(h) * Way::sources(w) * channels;
  real* const to = pass.to + r * positions * channels;
  const TapRange down = Way::taps(h, row);
  for (size_t p = of_class; p < positions;) {
    const size_t next = p == inner.begin ? inner.end : p + classes;
    const TapRange along = Way::taps(w, p);
    TapSource taps[kMostTaps];
    size_t count = 0;
    for (size_t i = 0; i < down.count; ++i) {
      const size_t ky = down.first + i * down.every, y = Way::source(h, row, ky);
      for (size_t j = 0; j < along.count; ++j, ++count) {
        const size_t kx = along.first + j * along.every, x = Way::source(w, p, kx);
        taps[count] = {from + (y * Way::sources(w) + x) * channels,
                       pass.weight + (ky * w.kernel + kx) * channels};
      }
    }
    sum_row(taps, count, Way::source_step(w) * channels, channels, pass.bias, (next - p) / classes,
            to + p * channels, classes * channels);
    p = next;
  }
}

// to = act(Σ over the taps + bias)
template <class Way>
inline void run_depthwise(const DepthwisePass& pass, bpnet::Activation act) {
  const bpnet::WindowAxis &h = pass.s.height, &w = pass.s.width;
  const size_t row = Way::positions(w) * pass.s.channels;
  run_chunks(pass.s.n * Way::positions(h), rows_per_chunk(row), [&](size_t begin, size_t end, size_t) {
    for (size_t of_class = 0; of_class < Way::classes(w); ++of_class) {
      const Inner inner = inner_positions<Way>(w, of_class);
      for (size_t r = begin; r < end; ++r) depthwise_row<Way>(pass, r, of_class, inner);
    }
    real* const out = pass.to + begin * row;
    if (act.kind != bpnet::ActivationKind::kIdentity) activate(act, (end - begin) * row, out, out);
  });
}

// The rows of outputs, cut into parts whose gradients are added in order.
inline Parts depthwise_parts(const bpnet::ConvolutionSizes& s) {
  const size_t weights = s.height.kernel * s.width.kernel * s.channels;
  return cut_into_parts(s.n * s.height.out, rows_per_chunk(s.width.out * s.channels), weights * sizeof(real));
}

struct DepthwiseMemory {
  real* weight;  // (taps, channels)
  real* sums;    // (parts, taps, channels)
};
inline DepthwiseMemory depthwise_memory(Scratch& scratch, const bpnet::ConvolutionSizes& s) {
  const size_t weights = s.height.kernel * s.width.kernel * s.channels;
  return {scratch.take<real>(weights), scratch.take<real>(depthwise_parts(s).most * weights)};
}

// (taps, channels) of w (channels, 1, taps)
inline void depthwise_weight(const bpnet::ConvolutionSizes& s, const real* w, real* weight) {
  const size_t taps = s.height.kernel * s.width.kernel;
  for (size_t t = 0; t < taps; ++t) {
    for (size_t c = 0; c < s.channels; ++c) weight[t * s.channels + c] = w[c * taps + t];
  }
}

// Σ_p grad_y_p · x_p over `count` positions
template <class Vector>
inline vec sum_products(size_t count, const real* x, size_t x_step, const real* grad_y, size_t y_step,
                        const Vector& vector) {
  vec sum[4] = {};
  size_t p = 0;
  for (; p + 4 <= count; p += 4) {
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) {
      sum[i] += vector.get(x + (p + i) * x_step) * vector.get(grad_y + (p + i) * y_step);
    }
  }
  for (; p < count; ++p) sum[0] += vector.get(x + p * x_step) * vector.get(grad_y + p * y_step);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// sums (taps, channels) += one row of outputs; x is its image
__attribute__((noinline)) void depthwise_weight_row(const bpnet::ConvolutionSizes& s, size_t oy,
                                                    const real* x, const real* grad_y, real* sums) {
  const bpnet::WindowAxis& w = s.width;
  const Taps down = taps_within(s.height, oy);
  for (size_t ky = down.begin; ky < down.end; ++ky) {
    const size_t iy = OutputsOf::source(s.height, oy, ky);
    for (size_t kx = 0; kx < w.kernel; ++kx) {
      // The outputs whose tap kx is within the row.
      const size_t tap = kx * w.dilation, edge = w.in + w.before;
      const size_t begin = tap < w.before ? ceil_divide(w.before - tap, w.stride) : 0;
      const size_t end = tap < edge ? smaller(w.out, ceil_divide(edge - tap, w.stride)) : 0;
      if (begin >= end) continue;
      const real* const from = x + (iy * w.in + OutputsOf::source(w, begin, kx)) * s.channels;
      real* const to = sums + (ky * w.kernel + kx) * s.channels;
      const real* const grad = grad_y + begin * s.channels;
      const auto sum_of = [&](size_t c, const auto& vector) {
        return sum_products(end - begin, from + c, w.stride * s.channels, grad + c, s.channels, vector);
      };
      size_t c = 0;
      for (; c + kLanes <= s.channels; c += kLanes) {
        store(to + c, load(to + c) + sum_of(c, WholeVector()));
      }
      if (c == s.channels) continue;
      if (s.channels < kLanes) {
        const LastVector last = {s.channels};
        last.put(to, last.get(to) + sum_of(0, last));
      } else {  // the last full vector, whose first channels are already done
        const size_t first = s.channels - kLanes;
        const vec sum = without_first_lanes(sum_of(first, WholeVector()), c - first);
        store(to + first, load(to + first) + sum);
      }
    }
  }
}

// grad_w (channels, taps) = or += the sums
inline void depthwise_backward_weight(const bpnet::ConvolutionSizes& s, const DepthwiseMemory& memory,
                                      const real* x, const real* grad_y, real* grad_w, bool accumulate) {
  const size_t taps = s.height.kernel * s.width.kernel, weights = taps * s.channels;
  const size_t row = s.width.out * s.channels, image = s.height.in * s.width.in * s.channels;
  const Parts parts = depthwise_parts(s);
  run_chunks(s.n * s.height.out, parts.length, [&](size_t begin, size_t end, size_t part) {
    real* const sums = memory.sums + part * weights;
    fill_zero(weights, sums);
    for (size_t r = begin; r < end; ++r) {
      depthwise_weight_row(s, r % s.height.out, x + r / s.height.out * image, grad_y + r * row, sums);
    }
  });
  for (size_t part = 1; part < parts.count; ++part) {
    add_scaled(weights, 1, memory.sums + part * weights, memory.sums);
  }
  for (size_t c = 0; c < s.channels; ++c) {
    for (size_t t = 0; t < taps; ++t) {
      real& to = grad_w[c * taps + t];
      to = memory.sums[t * s.channels + c] + (accumulate ? to : real(0));
    }
  }
}

}  // namespace
