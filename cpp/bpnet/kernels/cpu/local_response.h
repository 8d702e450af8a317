// Local response normalisation: within the channels of a position, or within a map.
#pragma once

#include "bpnet/kernels/cpu/base/parts.h"
#include "bpnet/kernels/cpu/base/rows.h"
#include "bpnet/kernels/cpu/base/scalar_math.h"
#include "bpnet/kernels/cpu/base/scratch.h"
#include "bpnet/kernels/kernels.h"

namespace {

// How many elements before and after one its window sees; exchanged, how many see it.
struct Reach {
  size_t before, after;
};
inline Reach response_reach(const bpnet::LocalResponseSizes& s, size_t count) {
  return {smaller(s.size / 2, count - 1), smaller((s.size - 1) / 2, count - 1)};
}

inline real response_factor(const bpnet::LocalResponseSizes& s) {
  return real(s.alpha / (double(s.size) * (s.within_map ? double(s.size) : 1.0)));
}

// power = (k + factor · sum)^−beta, and where it is wanted scale = k + factor · sum
__attribute__((noinline)) void response_powers(const bpnet::LocalResponseSizes& s, size_t count,
                                               const real* sum, real* scale, real* power) {
  const real k = real(s.k), factor = response_factor(s);
  for (size_t c = 0; c < count; ++c) scale[c] = k + factor * sum[c];
  if (s.beta == 0.75) {
    for (size_t c = 0; c < count; ++c) {
      const real root = sqrt_of(scale[c]);
      power[c] = 1 / (root * sqrt_of(root));
    }
  } else {
    for (size_t c = 0; c < count; ++c) power[c] = power_of(scale[c], real(-s.beta));
  }
}

// Lines of one task: a group of channels; the first two are padded with zeros at either end, as far as a
// window reaches.
struct ResponseLines {
  real *squares, *ratios, *sums, *scale, *power;
};

inline size_t padded_line(const bpnet::LocalResponseSizes& s) {
  const size_t group = s.channels / s.groups;
  const Reach reach = response_reach(s, group);
  return reach.before + whole_vectors(group) + reach.after + kLanes;
}
inline ResponseLines response_lines(Scratch& scratch, const bpnet::LocalResponseSizes& s) {
  const size_t padded = padded_line(s), line = whole_vectors(s.channels / s.groups);
  return {scratch.take<real>(padded), scratch.take<real>(padded), scratch.take<real>(line),
          scratch.take<real>(line), scratch.take<real>(line)};
}

// sums[c] = Σ padded[c + t] over the taps t
__attribute__((noinline)) void sum_windows(size_t count, size_t taps, const real* padded, real* sums) {
  for (size_t c = 0; c < count; c += kLanes) {
    vec sum = load(padded + c);
    for (size_t t = 1; t < taps; ++t) sum += load(padded + c + t);
    store(sums + c, sum);
  }
}

__attribute__((noinline)) void response_of_line(const bpnet::LocalResponseSizes& s, const ResponseLines& line,
                                                const real* x) {
  const size_t group = s.channels / s.groups;
  const Reach reach = response_reach(s, group);
  for (size_t c = 0; c < group; ++c) line.squares[reach.before + c] = x[c] * x[c];
  sum_windows(group, reach.before + reach.after + 1, line.squares, line.sums);
  response_powers(s, whole_vectors(group), line.sums, line.scale, line.power);
}

__attribute__((noinline)) void gradient_of_line(const bpnet::LocalResponseSizes& s, const ResponseLines& line,
                                                const real* x, const real* grad_y, real* grad_x) {
  const size_t group = s.channels / s.groups;
  const Reach reach = response_reach(s, group);
  response_of_line(s, line, x);
  real* ratio = line.ratios + reach.after;
  for (size_t c = 0; c < group; ++c) {
    const real direct = grad_y[c] * line.power[c];
    ratio[c] = direct * x[c] / line.scale[c];
    line.power[c] = direct;
  }
  sum_windows(group, reach.before + reach.after + 1, line.ratios, line.sums);
  const real twice = real(2 * s.beta) * response_factor(s);
  for (size_t c = 0; c < group; ++c) grad_x[c] = line.power[c] - twice * x[c] * line.sums[c];
}

// Channels that are done together within a map: a cache line of floats.
constexpr size_t kMapChannels = 16;

inline size_t map_positions(const bpnet::LocalResponseSizes& s) { return s.height * s.width; }

// Some channels of one image.
struct MapPart {
  size_t first, count;  // index of the first channel of its first position
};
inline MapPart map_part(const bpnet::LocalResponseSizes& s, size_t unit) {
  const size_t parts = ceil_divide(s.channels, kMapChannels), c = unit % parts * kMapChannels;
  return {unit / parts * map_positions(s) * s.channels + c, smaller(kMapChannels, s.channels - c)};
}

// Both (positions, kMapChannels).
struct MapMemory {
  real *row_sums, *ratios;
};
inline MapMemory map_memory(Scratch& scratch, const bpnet::LocalResponseSizes& s) {
  const size_t elements = map_positions(s) * kMapChannels;
  return {scratch.take<real>(elements), scratch.take<real>(elements)};
}

// row_sums (positions, kMapChannels): Σ value(x index + channel) over the window's columns
template <class Value>
inline void sum_along(const bpnet::LocalResponseSizes& s, Reach reach, size_t count, real* row_sums,
                      const Value& value) {
  for (size_t y = 0; y < s.height; ++y) {
    for (size_t x = 0; x < s.width; ++x) {
      const size_t begin = larger(x, reach.before) - reach.before,
                   end = smaller(s.width, x + reach.after + 1);
      real* to = row_sums + (y * s.width + x) * kMapChannels;
      for (size_t c = 0; c < kMapChannels; ++c) to[c] = 0;
      for (size_t at = begin; at < end; ++at) {
        for (size_t c = 0; c < count; ++c) to[c] += value(y * s.width + at, c);
      }
    }
  }
}

// Calls body(position, sums) with the sums over the window's rows of row_sums.
template <class Body>
inline void sum_down(const bpnet::LocalResponseSizes& s, Reach reach, const real* row_sums,
                     const Body& body) {
  for (size_t y = 0; y < s.height; ++y) {
    const size_t begin = larger(y, reach.before) - reach.before, end = smaller(s.height, y + reach.after + 1);
    for (size_t x = 0; x < s.width; ++x) {
      real sums[kMapChannels] = {};
      for (size_t at = begin; at < end; ++at) {
        for (size_t c = 0; c < kMapChannels; ++c) sums[c] += row_sums[(at * s.width + x) * kMapChannels + c];
      }
      body(y * s.width + x, sums);
    }
  }
}

__attribute__((noinline)) void response_of_map(const bpnet::LocalResponseSizes& s, MapPart part,
                                               real* row_sums, const real* x, real* y) {
  const Reach along = response_reach(s, s.width), down = response_reach(s, s.height);
  sum_along(s, along, part.count, row_sums, [&](size_t position, size_t c) {
    const real value = x[part.first + position * s.channels + c];
    return value * value;
  });
  sum_down(s, down, row_sums, [&](size_t position, const real* sums) {
    real scale[kMapChannels], power[kMapChannels];
    response_powers(s, kMapChannels, sums, scale, power);
    const size_t at = part.first + position * s.channels;
    for (size_t c = 0; c < part.count; ++c) y[at + c] = x[at + c] * power[c];
  });
}

__attribute__((noinline)) void gradient_of_map(const bpnet::LocalResponseSizes& s, MapPart part,
                                               MapMemory memory, const real* x, const real* grad_y,
                                               real* grad_x) {
  const Reach along = response_reach(s, s.width), down = response_reach(s, s.height);
  real *const row_sums = memory.row_sums, *const ratios = memory.ratios;
  sum_along(s, along, part.count, row_sums, [&](size_t position, size_t c) {
    const real value = x[part.first + position * s.channels + c];
    return value * value;
  });
  sum_down(s, down, row_sums, [&](size_t position, const real* sums) {
    real scale[kMapChannels], power[kMapChannels];
    response_powers(s, kMapChannels, sums, scale, power);
    const size_t at = part.first + position * s.channels;
    for (size_t c = 0; c < part.count; ++c) {
      const real direct = grad_y[at + c] * power[c];
      ratios[position * kMapChannels + c] = direct * x[at + c] / scale[c];
      grad_x[at + c] = direct;
    }
  });
  sum_along(s, {along.after, along.before}, part.count, row_sums,
            [&](size_t position, size_t c) { return ratios[position * kMapChannels + c]; });
  const real twice = real(2 * s.beta) * response_factor(s);
  sum_down(s, {down.after, down.before}, row_sums, [&](size_t position, const real* sums) {
    const size_t at = part.first + position * s.channels;
    for (size_t c = 0; c < part.count; ++c) grad_x[at + c] -= twice * x[at + c] * sums[c];
  });
}

struct ResponsePlan {
  size_t units;  // of work
  Parts parts;
  size_t bytes;  // of a part's scratch
};
inline ResponsePlan response_plan(const bpnet::LocalResponseSizes& s) {
  Scratch part = {nullptr};
  if (s.within_map) {
    const size_t units = s.n * ceil_divide(s.channels, kMapChannels);
    map_memory(part, s);
    const size_t least = rows_per_chunk(2 * map_positions(s) * kMapChannels);
    return {units, cut_into_parts(units, least, part.bytes), part.bytes};
  }
  const size_t units = s.n * map_positions(s);
  response_lines(part, s);
  return {units, cut_into_parts(units, rows_per_chunk(s.channels), part.bytes), part.bytes};
}

size_t local_response_workspace(const bpnet::LocalResponseSizes& s) {
  const ResponsePlan plan = response_plan(s);
  return plan.parts.most * plan.bytes;
}

// Calls of_map(part, memory) or of_line(lines, index of its first channel) for everything there is.
template <class OfMap, class OfLine>
inline void each_response(bpnet::Context& context, const bpnet::LocalResponseSizes& s, const OfMap& of_map,
                          const OfLine& of_line) {
  const ResponsePlan plan = response_plan(s);
  run_chunks(plan.units, plan.parts.length, [&](size_t begin, size_t end, size_t index) {
    Scratch scratch = part_of({context.scratch}, index, plan.bytes);
    if (s.within_map) {
      const MapMemory memory = map_memory(scratch, s);
      for (size_t unit = begin; unit < end; ++unit) of_map(map_part(s, unit), memory);
      return;
    }
    const ResponseLines lines = response_lines(scratch, s);
    fill_zero(padded_line(s), lines.squares);
    fill_zero(padded_line(s), lines.ratios);
    const size_t group = s.channels / s.groups;
    for (size_t i = begin * s.channels; i < end * s.channels; i += group) of_line(lines, i);
  });
}

void local_response_forward(bpnet::Context& context, const bpnet::LocalResponseSizes& s, const real* x,
                            real* y) {
  each_response(
      context, s, [&](MapPart part, MapMemory memory) { response_of_map(s, part, memory.row_sums, x, y); },
      [&](const ResponseLines& line, size_t first) {
        response_of_line(s, line, x + first);
        for (size_t c = 0; c < s.channels / s.groups; ++c) y[first + c] = x[first + c] * line.power[c];
      });
}

void local_response_backward(bpnet::Context& context, const bpnet::LocalResponseSizes& s, const real* x,
                             const real* grad_y, real* grad_x) {
  each_response(
      context, s,
      [&](MapPart part, MapMemory memory) { gradient_of_map(s, part, memory, x, grad_y, grad_x); },
      [&](const ResponseLines& line, size_t first) {
        gradient_of_line(s, line, x + first, grad_y + first, grad_x + first);
      });
}

}  // namespace
