// The gradient of the weights of a convolution of few channels, samples side by side in the lanes: each lane
// has its own until a part is done.
#pragma once

#include "bpnet/kernels/cpu/convolution/sample_lanes.h"

namespace {

// sums (taps, out_channels, lane) += what the rows begin … end−1 of a unit's outputs add, whose gradients are
// `rows`.
inline void add_lane_rows(const bpnet::ConvolutionSizes& s, const LaneUnit& unit, size_t begin, size_t end,
                          const LaneMemory& memory, const WindowTileKind& kind) {
  const bpnet::WindowAxis &h = s.height, &w = s.width;
  const size_t line = padded_columns(w) * s.channels * kLanes, taps = w.kernel * s.channels;
  WindowTile tile = {};
  tile.a_row = tile.b_vector = tile.c_row = kLanes;
  tile.a_depth = tile.c_vector = s.out_channels * kLanes;
  tile.b_depth = w.stride * s.channels * kLanes;
  tile.depth = w.out;
  tile.runs = 1;
  for (size_t ky = 0; ky < h.kernel; ++ky) {
    tile.c = memory.sums + ky * taps * s.out_channels * kLanes;
    for (size_t r = begin; r < end; ++r) {
      const Taps down = taps_within(h, r);
      if (ky < down.begin || ky >= down.end) continue;
      tile.a = memory.rows + (r - begin) * w.out * s.out_channels * kLanes;
      tile.b = memory.maps + ((r - unit.begin) * h.stride + ky * h.dilation) * line;
      add_tiles<VectorFactor>(tile, s.out_channels, taps, kind);
    }
  }
}

// sums (channels,) += those of rows (positions, channels, lane)
inline void add_lane_columns(size_t positions, size_t channels, const real* rows, real* sums) {
  for (size_t c = 0; c < channels; ++c) {
    vec sum[4] = {};
    const real* from = rows + c * kLanes;
    size_t p = 0;
    for (; p + 4 <= positions; p += 4) {
#pragma GCC unroll 4
      for (size_t i = 0; i < 4; ++i) sum[i] += load(from + (p + i) * channels * kLanes);
    }
    for (; p < positions; ++p) sum[0] += load(from + p * channels * kLanes);
    sums[c] += sum_lanes((sum[0] + sum[1]) + (sum[2] + sum[3]));
  }
}

// to (count,) = the sums of the lanes of from (count, lane)
inline void sum_all_lanes(size_t count, const real* from, real* to) {
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    vec part[kLanes];
#pragma GCC unroll 16
    for (size_t l = 0; l < kLanes; ++l) part[l] = load(from + (i + l) * kLanes);
    store(to + i, sum_rows(part));
  }
  for (; i < count; ++i) to[i] = sum_lanes(load(from + i * kLanes));
}

// grad_w (out_channels, channels, window) = or += result (window, channels, out_channels); of the bias too
inline void take_result(const bpnet::ConvolutionSizes& s, const real* result, real* grad_w, real* grad_bias,
                        bool accumulate) {
  const size_t window = s.height.kernel * s.width.kernel;
  for (size_t c = 0; c < s.out_channels; ++c) {
    for (size_t j = 0; j < s.channels; ++j) {
      for (size_t t = 0; t < window; ++t) {
        real& to = grad_w[(c * s.channels + j) * window + t];
        to = result[(t * s.channels + j) * s.out_channels + c] + (accumulate ? to : real(0));
      }
    }
    if (!grad_bias) continue;
    grad_bias[c] = result[patch_size(s) * s.out_channels + c] + (accumulate ? grad_bias[c] : real(0));
  }
}

void lanes_backward_weight(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const real* x,
                           const real* grad_y, real* grad_w, real* grad_bias, bool accumulate) {
  Scratch scratch = {context.scratch};
  const LaneScratch lanes = lane_scratch(scratch, s);
  const LaneWork work = lane_work(s);
  const size_t weights = patch_size(s) * s.out_channels, row = s.width.out * s.out_channels;
  const WindowTileKind& kind = window_tile_for<VectorFactor>(s.out_channels, s.width.kernel * s.channels);
  const bool near = weights * kLanes * sizeof(real) <= kNearSums;
  each_lane_unit(s, work, lanes.parts, [&](const LaneMemory& memory, const LaneUnit& unit, bool first, bool last) {
    if (first) {
      clear_run(weights * kLanes, memory.sums);
      clear_run(s.out_channels, memory.result + weights);
    }
    bring_maps(s, unit, x, memory.maps);
    const size_t together = near ? 1 : unit.end - unit.begin;
    for (size_t r = unit.begin; r < unit.end; r += together) {
      const real* const from = grad_y + (unit.sample * s.height.out + r) * row;
      samples_to_lanes(unit.samples, together * row, from, s.height.out * row, memory.rows);
      if (grad_bias) add_lane_columns(together * s.width.out, s.out_channels, memory.rows, memory.result + weights);
      add_lane_rows(s, unit, r, r + together, memory, kind);
    }
    if (last) sum_all_lanes(weights, memory.sums, memory.result);
  });
  Scratch first = part_of(lanes.parts, 0, lane_bytes(s));
  real* const result = lane_memory(first, s).result;
  for (size_t part = 1; part < work.parts.count; ++part) {
    Scratch other = part_of(lanes.parts, part, lane_bytes(s));
    add_scaled(weights + s.out_channels, 1, lane_memory(other, s).result, result);
  }
  take_result(s, result, grad_w, grad_bias, accumulate);
}

}  // namespace
