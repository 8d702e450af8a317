// The gradient of the weights of a convolution of few channels, samples side by side in the lanes: each lane
// has separate sums until a part is done.
#pragma once

#include "bpnet/kernels/cpu/convolution/sample_lanes.h"

namespace {

// This many rows of outputs stay in the first-level cache with their inputs.
constexpr size_t kRowsTogether = 2;

// sums (taps, out_channels, lane) += the contribution of the rows begin … end−1 of a unit's outputs, whose
// gradients are `rows`.
inline void add_lane_rows(const bpnet::ConvolutionSizes& s, const LaneUnit& unit, size_t begin, size_t end,
                          const LaneMemory& memory, const WindowTileKind& kind) {
  const bpnet::WindowAxis &h = s.height, &w = s.width;
  const size_t line = padded_columns(w) * s.channels * kLanes, taps = w.kernel * s.channels;
  WindowTile tile = {};
  tile.a_row = tile.b_vector = tile.c_row = kLanes;
  tile.a_depth = tile.c_vector = s.out_channels * kLanes;
  tile.a_run = w.out * s.out_channels * kLanes;
  tile.b_depth = w.stride * s.channels * kLanes;
  tile.b_run = h.stride * line;
  tile.depth = w.out;
  for (size_t ky = 0; ky < h.kernel; ++ky) {
    size_t first = begin, last = end;
    while (first < last && !sees_row(h, first, ky)) ++first;
    while (first < last && !sees_row(h, last - 1, ky)) --last;
    tile.runs = last - first;
    tile.a = memory.rows + (first - begin) * tile.a_run;
    tile.b = memory.maps + ((first - unit.begin) * h.stride + ky * h.dilation) * line;
    tile.c = memory.sums + ky * taps * s.out_channels * kLanes;
    if (tile.runs > 0) add_tiles(tile, s.out_channels, taps, kOfVectors, kind);
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

void lanes_backward_weight(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const real* x,
                           const real* grad_y, real* grad_w, real* grad_bias, bool accumulate) {
  Scratch scratch = {context.scratch};
  const LaneScratch lanes = lane_scratch(scratch, s);
  const LaneWork work = lane_work(s);
  const size_t weights = patch_size(s) * s.out_channels, row = s.width.out * s.out_channels;
  const WindowTileKind& kind = window_tile_for(kOfVectors, s.out_channels, s.width.kernel * s.channels);
  each_lane_unit(
      s, work, lanes.parts, [&](const LaneMemory& memory, const LaneUnit& unit, bool first, bool last) {
        if (first) {
          fill_zero(weights * kLanes, memory.sums);
          fill_zero(s.out_channels, memory.result + weights);
        }
        bring_maps(s, unit, x, memory.maps);
        for (size_t r = unit.begin; r < unit.end; r += kRowsTogether) {
          const size_t together = smaller(kRowsTogether, unit.end - r);
          const real* const from = grad_y + (unit.sample * s.height.out + r) * row;
          samples_to_lanes(unit.samples, together * row, from, s.height.out * row, memory.rows);
          add_lane_rows(s, unit, r, r + together, memory, kind);
          for (size_t c = 0; grad_bias && c < s.out_channels; ++c) {
            memory.result[weights + c] += sum_lanes(
                sum_column(together * s.width.out, memory.rows + c * kLanes, s.out_channels * kLanes));
          }
        }
        if (last) sum_all_lanes(weights, memory.sums, memory.result);
      });
  Scratch first = part_of(lanes.parts, 0, lane_bytes(s));
  real* const result = lane_memory(first, s).result;
  for (size_t part = 1; part < work.parts.count; ++part) {
    Scratch other = part_of(lanes.parts, part, lane_bytes(s));
    add_scaled(weights + s.out_channels, 1, lane_memory(other, s).result, result);
  }
  restore_taps(s, result, grad_w, grad_bias, accumulate);
}

}  // namespace
