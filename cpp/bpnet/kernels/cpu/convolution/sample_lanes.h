// Convolution of few channels with kLanes samples side by side in the lanes: a task transposes the samples'
// rows to (row, column, channel, lane), sums windows with the weights broadcast, and transposes the result
// back. No lane is idle, however few the channels.
#pragma once

#include "bpnet/kernels/cpu/base/row_sums.h"
#include "bpnet/kernels/cpu/convolution/lane_samples.h"
#include "bpnet/kernels/cpu/convolution/window_rows.h"

namespace {

// Most bytes of the maps of kLanes samples: they stay in the second-level cache.
constexpr size_t kLaneMaps = size_t{1} << 19;

// Work is cut into units of kLanes samples and some rows of their outputs: about this many units, where a map
// has enough rows, of at least this many rows.
constexpr size_t kLaneUnits = 16;
constexpr size_t kLaneRows = 4;

inline size_t lane_map(const bpnet::ConvolutionSizes& s) {  // elements of the padded maps of kLanes samples
  return rows_seen(s.height, s.height.out) * padded_columns(s.width) * s.channels * kLanes;
}

__attribute__((noinline)) bool fits_lanes(const bpnet::ConvolutionSizes& s) {
  return s.groups == 1 && s.width.dilation == 1 && smaller(s.channels, s.out_channels) < kLanes &&
         larger(lane_map(s), map_positions(s) * s.out_channels * kLanes) <= kLaneMaps / sizeof(real);
}
inline bool runs_in_lanes(const bpnet::ConvolutionSizes& s) { return 2 * s.n >= kLanes && fits_lanes(s); }

__attribute__((noinline)) bool inputs_run_in_lanes(const bpnet::ConvolutionSizes& s) {
  return s.groups == 1 && has_mirror(s) && runs_in_lanes(mirrored(s));
}

// A convolution's units, and the parts, each with separate scratch.
struct LaneWork {
  size_t rows, bands;  // rows of outputs of a unit, units of a map
  Parts parts;
};

struct LaneMemory {
  real* maps;    // (rows that a unit reads, padded columns, channels, lane)
  real* rows;    // (rows, columns, out_channels, lane) of outputs
  real* sums;    // (taps, out_channels, lane) of the gradient of the weights
  real* result;  // (taps + 1, out_channels): summed over the lanes, and the gradient of the bias
};

__attribute__((noinline)) LaneMemory lane_memory(Scratch& scratch, const bpnet::ConvolutionSizes& s) {
  const size_t weights = patch_size(s) * s.out_channels;
  return {scratch.take<real>(lane_map(s)), scratch.take<real>(map_positions(s) * s.out_channels * kLanes),
          scratch.take<real>(weights * kLanes), scratch.take<real>(weights + s.out_channels)};
}
__attribute__((noinline)) size_t lane_bytes(const bpnet::ConvolutionSizes& s) {
  Scratch scratch = {nullptr};
  lane_memory(scratch, s);
  return scratch.bytes;
}

__attribute__((noinline)) LaneWork lane_work(const bpnet::ConvolutionSizes& s) {
  const size_t groups = ceil_divide(s.n, kLanes), wanted = ceil_divide(kLaneUnits, groups);
  const size_t rows = larger(smaller(kLaneRows, s.height.out), ceil_divide(s.height.out, wanted));
  const size_t bands = ceil_divide(s.height.out, rows);
  Parts parts = cut_into_parts(groups * bands, 1, lane_bytes(s));
  // Fewer rows may mean more units: scratch is for the largest number.
  parts.most = cut_into_parts(groups * s.height.out, 1, lane_bytes(s)).most;
  return {rows, bands, parts};
}

struct LaneScratch {
  real* weight;  // (taps, out_channels), or mirrored (taps, channels)
  real* start;   // (out_channels, lane): the bias
  Scratch parts;
};
inline LaneScratch lane_scratch(Scratch& scratch, const bpnet::ConvolutionSizes& s) {
  LaneScratch lanes = {
      scratch.take<real>(patch_size(s) * s.out_channels), scratch.take<real>(s.out_channels * kLanes), {}};
  lanes.parts = scratch;
  return lanes;
}

__attribute__((noinline)) size_t lane_passes_workspace(const bpnet::ConvolutionSizes& s) {
  Scratch scratch = {nullptr};
  lane_scratch(scratch, s);
  return scratch.bytes + lane_work(s).parts.most * lane_bytes(s);
}
inline size_t lanes_workspace(const bpnet::ConvolutionSizes& s) {
  return larger(runs_in_lanes(s) ? lane_passes_workspace(s) : 0,
                inputs_run_in_lanes(s) ? lane_passes_workspace(mirrored(s)) : 0);
}

// Some samples side by side, and rows begin … end−1 of their outputs.
struct LaneUnit {
  size_t sample, samples, begin, end;
};
// Calls body(memory, unit, whether it is the part's first, whether its last) for every unit of every part.
template <class Body>
inline void each_lane_unit(const bpnet::ConvolutionSizes& s, const LaneWork& work, Scratch parts,
                           const Body& body) {
  const size_t units = ceil_divide(s.n, kLanes) * work.bands, bytes = lane_bytes(s);
  run_chunks(units, work.parts.length, [&](size_t begin, size_t end, size_t part) {
    Scratch scratch = part_of(parts, part, bytes);
    const LaneMemory memory = lane_memory(scratch, s);
    for (size_t unit = begin; unit < end; ++unit) {
      const size_t sample = unit / work.bands * kLanes, row = unit % work.bands * work.rows;
      body(memory,
           LaneUnit{sample, smaller(kLanes, s.n - sample), row, smaller(s.height.out, row + work.rows)},
           unit == begin, unit + 1 == end);
    }
  });
}

// The rows of x that a unit reads, padded with zeros.
__attribute__((noinline)) void bring_maps(const bpnet::ConvolutionSizes& s, const LaneUnit& unit,
                                          const real* x, real* maps) {
  const bpnet::WindowAxis &h = s.height, &w = s.width;
  const size_t image = h.in * w.in * s.channels, columns = padded_columns(w), vector = s.channels * kLanes;
  const size_t before = smaller(w.before, columns), within = smaller(w.in, columns - before);
  const size_t first = unit.begin * h.stride, rows = rows_seen(h, unit.end - unit.begin);
  for (size_t r = 0; r < rows; ++r, maps += columns * vector) {
    const size_t row = first + r - h.before;  // wraps beyond h.in where it is above the map
    if (row >= h.in) {
      fill_zero(columns * vector, maps);
      continue;
    }
    fill_zero(before * vector, maps);
    samples_to_lanes(unit.samples, within * s.channels, x + unit.sample * image + row * w.in * s.channels,
                     image, maps + before * vector);
    fill_zero((columns - before - within) * vector, maps + (before + within) * vector);
  }
}

// The outputs of row `row` of a unit. Taps that are in the padding for a whole tile are skipped.
inline void lane_row(const bpnet::ConvolutionSizes& s, const LaneUnit& unit, size_t row, const real* maps,
                     const LaneScratch& lanes, const WindowTileKind& kind, real* to) {
  const bpnet::WindowAxis &h = s.height, &w = s.width;
  const size_t line = padded_columns(w) * s.channels * kLanes, taps = w.kernel * s.channels;
  const Taps down = taps_within(h, row);
  WindowTile tile = {};
  tile.a_row = 1;
  tile.a_depth = s.out_channels;
  tile.a_run = taps * s.out_channels;
  tile.b_vector = w.stride * s.channels * kLanes;
  tile.b_depth = kLanes;
  tile.b_run = h.dilation * line;
  tile.runs = down.end - down.begin;
  tile.start_row = tile.c_row = kLanes;
  tile.c_vector = s.out_channels * kLanes;
  const real* const a = lanes.weight + down.begin * tile.a_run;
  const real* const b = maps + ((row - unit.begin) * h.stride + down.begin * h.dilation) * line;
  for (size_t o = 0; o < w.out; o += kind.vectors) {
    const size_t column = smaller(o, w.out - kind.vectors);
    const Taps first = taps_within(w, column), last = taps_within(w, column + kind.vectors - 1);
    const size_t begin = smaller(first.begin, last.begin), end = larger(first.end, last.end);
    tile.depth = (end - begin) * s.channels;
    for (size_t i = 0; i < s.out_channels; i += kind.rows) {
      const size_t channel = smaller(i, s.out_channels - kind.rows);
      tile.a = a + begin * s.channels * s.out_channels + channel;
      tile.b = b + column * tile.b_vector + begin * s.channels * kLanes;
      tile.start = lanes.start + channel * kLanes;
      tile.c = to + column * tile.c_vector + channel * kLanes;
      kind.run(tile);
    }
  }
}

// y = act(convolution + start)
__attribute__((noinline)) void convolve_in_lanes(const bpnet::ConvolutionSizes& s, const LaneScratch& lanes,
                                                 const real* x, bpnet::Activation act, real* y) {
  const size_t row = s.width.out * s.out_channels;
  const WindowTileKind& kind = window_tile_for(kOfElements, s.out_channels, s.width.out);
  each_lane_unit(s, lane_work(s), lanes.parts,
                 [&](const LaneMemory& memory, const LaneUnit& unit, bool, bool) {
                   bring_maps(s, unit, x, memory.maps);
                   for (size_t r = unit.begin; r < unit.end; ++r) {
                     lane_row(s, unit, r, memory.maps, lanes, kind, memory.rows);
                     if (act.kind != bpnet::ActivationKind::kIdentity)
                       activate(act, row * kLanes, memory.rows, memory.rows);
                     lanes_to_samples(unit.samples, row, memory.rows,
                                      y + (unit.sample * s.height.out + r) * row, s.height.out * row);
                   }
                 });
}

void lanes_forward(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const real* x, const real* w,
                   const real* bias, bpnet::Activation act, real* y) {
  Scratch scratch = {context.scratch};
  const LaneScratch lanes = lane_scratch(scratch, s);
  pack_taps(s, w, lanes.weight);
  for (size_t c = 0; c < s.out_channels; ++c)
    store(lanes.start + c * kLanes, splat(bias ? bias[c] : real(0)));
  convolve_in_lanes(s, lanes, x, act, y);
}

void lanes_backward_input(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const real* grad_y,
                          const real* w, real* grad_x) {
  const bpnet::ConvolutionSizes mirror = mirrored(s);
  Scratch scratch = {context.scratch};
  const LaneScratch lanes = lane_scratch(scratch, mirror);
  const size_t window = s.height.kernel * s.width.kernel;
  for (size_t c = 0; c < s.out_channels; ++c) {
    for (size_t j = 0; j < s.channels; ++j) {
      for (size_t t = 0; t < window; ++t) {
        lanes.weight[((window - 1 - t) * s.out_channels + c) * s.channels + j] =
            w[(c * s.channels + j) * window + t];
      }
    }
  }
  fill_zero(s.channels * kLanes, lanes.start);
  convolve_in_lanes(mirror, lanes, grad_y, {bpnet::ActivationKind::kIdentity, 0}, grad_x);
}

}  // namespace
