// Local response normalisation: within the channels of a position, or within a map.
#pragma once

#include "bpnet/kernels/cpu/base/parts.h"
#include "bpnet/kernels/cpu/base/scalar_math.h"
#include "bpnet/kernels/kernels.h"

namespace {

inline size_t padded_to_vectors(size_t count) { return ceil_divide(count, kLanes) * kLanes; }

// How many elements before and after one its window sees; of those that see it when turned round.
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

// Lines of one task: a group of channels, and two with room for a window's reach at either end, where they
// stay 0.
struct ResponseLines {
  real *squares, *ratios, *sums, *scale, *power;
};

inline size_t padded_line(const bpnet::LocalResponseSizes& s) {
  const size_t group = s.channels / s.groups;
  const Reach reach = response_reach(s, group);
  return reach.before + padded_to_vectors(group) + reach.after + kLanes;
}
inline size_t line_elements(const bpnet::LocalResponseSizes& s) {
  return 2 * padded_line(s) + 3 * padded_to_vectors(s.channels / s.groups);
}

inline ResponseLines clear_lines(const bpnet::LocalResponseSizes& s, real* memory) {
  const size_t padded = padded_line(s), line = padded_to_vectors(s.channels / s.groups);
  for (size_t i = 0; i < 2 * padded; ++i) memory[i] = 0;
  real* sums = memory + 2 * padded;
  return {memory, memory + padded, sums, sums + line, sums + 2 * line};
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
  response_powers(s, padded_to_vectors(group), line.sums, line.scale, line.power);
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
                                               real* row_sums, const real* x, const real* grad_y,
                                               real* grad_x) {
  const Reach along = response_reach(s, s.width), down = response_reach(s, s.height);
  real* ratios = row_sums + map_positions(s) * kMapChannels;
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

// Units of work, and the elements of scratch that each part of them has.
struct ResponsePlan {
  size_t units;
  Parts parts;
  size_t memory;
};
inline ResponsePlan response_plan(const bpnet::LocalResponseSizes& s) {
  if (s.within_map) {
    const size_t units = s.n * ceil_divide(s.channels, kMapChannels),
                 memory = 2 * map_positions(s) * kMapChannels;
    return {units, cut_into_parts(units, rows_per_chunk(memory), memory * sizeof(real)), memory};
  }
  const size_t units = s.n * map_positions(s), memory = padded_to_vectors(line_elements(s));
  return {units, cut_into_parts(units, rows_per_chunk(s.channels), memory * sizeof(real)), memory};
}

size_t local_response_workspace(const bpnet::LocalResponseSizes& s) {
  const ResponsePlan plan = response_plan(s);
  return plan.parts.room * plan.memory * sizeof(real);
}

// Calls of_map(part, memory) or of_line(lines, index of its first channel) for everything there is.
template <class OfMap, class OfLine>
inline void each_response(bpnet::Context& context, const bpnet::LocalResponseSizes& s, const OfMap& of_map,
                          const OfLine& of_line) {
  const ResponsePlan plan = response_plan(s);
  run_chunks(plan.units, plan.parts.length, [&](size_t begin, size_t end, size_t index) {
    real* memory = reinterpret_cast<real*>(context.scratch) + index * plan.memory;
    if (s.within_map) {
      for (size_t unit = begin; unit < end; ++unit) of_map(map_part(s, unit), memory);
      return;
    }
    const ResponseLines lines = clear_lines(s, memory);
    const size_t group = s.channels / s.groups;
    for (size_t i = begin * s.channels; i < end * s.channels; i += group) of_line(lines, i);
  });
}

void local_response_forward(bpnet::Context& context, const bpnet::LocalResponseSizes& s, const real* x,
                            real* y) {
  each_response(
      context, s, [&](MapPart part, real* memory) { response_of_map(s, part, memory, x, y); },
      [&](const ResponseLines& line, size_t first) {
        response_of_line(s, line, x + first);
        for (size_t c = 0; c < s.channels / s.groups; ++c) y[first + c] = x[first + c] * line.power[c];
      });
}

void local_response_backward(bpnet::Context& context, const bpnet::LocalResponseSizes& s, const real* x,
                             const real* grad_y, real* grad_x) {
  each_response(
      context, s, [&](MapPart part, real* memory) { gradient_of_map(s, part, memory, x, grad_y, grad_x); },
      [&](const ResponseLines& line, size_t first) {
        gradient_of_line(s, line, x + first, grad_y + first, grad_x + first);
      });
}

}  // namespace
