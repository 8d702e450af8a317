// Local response normalisation: within the channels of a position, or within a map.
#pragma once

#include "bpnet/kernels/cpu/base/channels.h"
#include "bpnet/kernels/cpu/base/parts.h"
#include "bpnet/kernels/cpu/base/rows.h"
#include "bpnet/kernels/cpu/base/scratch.h"
#include "bpnet/kernels/cpu/response_power.h"
#include "bpnet/kernels/kernels.h"

namespace {

// How many elements before and after one its window covers; exchanged, how many windows cover it.
struct Reach {
  size_t before, after;
};
inline Reach response_reach(const bpnet::LocalResponseSizes& s, size_t count) {
  return {smaller(s.size / 2, count - 1), smaller((s.size - 1) / 2, count - 1)};
}

// Some lines, one after another, each a group of channels of a position, with zeros between them as wide as a
// window reaches: a sum over a window is a sum of shifted vectors. There are few lines, so that reading the
// next ones does not wait for the arithmetic of these.
struct ResponseBlock {
  size_t lines;           // at most
  size_t margin, stride;  // elements between two lines, and from one line to the next
  real *squares, *ratios, *powers;

  size_t at(size_t line) const { return margin + line * stride; }
};

constexpr size_t kResponseBlock = 256;  // about so many elements in a block

inline ResponseBlock response_block(Scratch& scratch, const bpnet::LocalResponseSizes& s) {
  const size_t group = s.channels / s.groups;
  const Reach reach = response_reach(s, group);
  const size_t margin = whole_vectors(larger(reach.before, reach.after));
  const size_t stride = margin + whole_vectors(group), lines = larger(1, kResponseBlock / group);
  const size_t count = margin + lines * stride;
  real* const squares = scratch.take<real>(count);
  real* const ratios = scratch.take<real>(count);
  return {lines, margin, stride, squares, ratios, scratch.take<real>(count)};
}
inline void clear_margins(const ResponseBlock& block) {
  for (size_t line = 0; line <= block.lines; ++line) {
    fill_zero(block.margin, block.squares + line * block.stride);
    fill_zero(block.margin, block.ratios + line * block.stride);
  }
}

// Calls body(line, c, count): vector c of a line, of which `count` lanes or more are channels.
template <class Body>
inline void each_vector(size_t lines, size_t group, const Body& body) {
  for (size_t line = 0; line < lines; ++line) {
    for (size_t c = 0; c < group; c += kLanes) body(line, c, group - c);
  }
}

// kUsual: the paper's window of five and beta of 0.75; else any.
inline bool is_usual(const bpnet::LocalResponseSizes& s) {
  const Reach reach = response_reach(s, s.channels / s.groups);
  return s.size == 5 && reach.before + reach.after == 4 && is_three_quarters(s);
}
template <bool kUsual>
inline vec window_sum(Reach reach, const real* padded) {
  const size_t taps = kUsual ? 5 : reach.before + reach.after + 1;
  vec sum = load(padded);
  for (size_t t = 1; t < taps; ++t) sum += load(padded + t);
  return sum;
}
template <bool kUsual>
inline ResponsePower power_of_scale(const bpnet::LocalResponseSizes& s, vec scale) {
  return kUsual ? inverse_three_quarters(scale) : response_power(s, scale);
}

inline void squares_of_lines(const ResponseBlock& block, size_t lines, size_t group, const real* x) {
  each_vector(lines, group, [&](size_t line, size_t c, size_t count) {
    const vec value = load_channels(x + line * group + c, count);
    store(block.squares + block.at(line) + c, value * value);
  });
}

template <bool kUsual>
__attribute__((noinline)) void response_of_lines(const bpnet::LocalResponseSizes& s,
                                                 const ResponseBlock& block, size_t lines, const real* x,
                                                 real* y) {
  const size_t group = s.channels / s.groups;
  const Reach reach = response_reach(s, group);
  const real k = real(s.k), factor = response_factor(s);
  squares_of_lines(block, lines, group, x);
  each_vector(lines, group, [&](size_t line, size_t c, size_t count) {
    const vec sum = window_sum<kUsual>(reach, block.squares + block.at(line) + c - reach.before);
    const vec power = power_of_scale<kUsual>(s, k + factor * sum).power;
    store_channels(y + line * group + c, load_channels(x + line * group + c, count) * power, count);
  });
}

template <bool kUsual>
__attribute__((noinline)) void gradient_of_lines(const bpnet::LocalResponseSizes& s,
                                                 const ResponseBlock& block, size_t lines, const real* x,
                                                 const real* grad_y, real* grad_x) {
  const size_t group = s.channels / s.groups;
  const Reach reach = response_reach(s, group);
  const real k = real(s.k), factor = response_factor(s), twice = real(2 * s.beta) * factor;
  squares_of_lines(block, lines, group, x);
  each_vector(lines, group, [&](size_t line, size_t c, size_t count) {
    const size_t here = block.at(line) + c, i = line * group + c;
    const vec sum = window_sum<kUsual>(reach, block.squares + here - reach.before);
    const ResponsePower at = power_of_scale<kUsual>(s, k + factor * sum);
    store(block.powers + here, at.power);
    const vec direct = load_channels(grad_y + i, count) * at.power;
    // Outside the group a scale may be 0, and its powers infinite.
    store(block.ratios + here, first_lanes(direct * (load_channels(x + i, count) * at.inverse), count));
  });
  each_vector(lines, group, [&](size_t line, size_t c, size_t count) {
    const size_t here = block.at(line) + c, i = line * group + c;
    const vec sum = window_sum<kUsual>({reach.after, reach.before}, block.ratios + here - reach.after);
    const vec direct = load_channels(grad_y + i, count) * load(block.powers + here);
    store_channels(grad_x + i, direct - twice * load_channels(x + i, count) * sum, count);
  });
}

// Channels that are computed together within a map: a cache line of floats.
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
    real power[kMapChannels];
    response_powers(s, kMapChannels, sums, power, nullptr);
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
    real power[kMapChannels], inverse[kMapChannels];
    response_powers(s, kMapChannels, sums, power, inverse);
    const size_t at = part.first + position * s.channels;
    for (size_t c = 0; c < part.count; ++c) {
      const real direct = grad_y[at + c] * power[c];
      ratios[position * kMapChannels + c] = direct * (x[at + c] * inverse[c]);
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
  response_block(part, s);
  return {units, cut_into_parts(units, rows_per_chunk(s.channels), part.bytes), part.bytes};
}

size_t local_response_workspace(const bpnet::LocalResponseSizes& s) {
  const ResponsePlan plan = response_plan(s);
  return plan.parts.most * plan.bytes;
}

// Calls of_map(part, memory), or of_lines(block, lines, index of the first line's first channel), for the
// whole batch.
template <class OfMap, class OfLines>
inline void each_response(bpnet::Context& context, const bpnet::LocalResponseSizes& s, const OfMap& of_map,
                          const OfLines& of_lines) {
  const ResponsePlan plan = response_plan(s);
  run_chunks(plan.units, plan.parts.length, [&](size_t begin, size_t end, size_t index) {
    Scratch scratch = part_of({context.scratch}, index, plan.bytes);
    if (s.within_map) {
      const MapMemory memory = map_memory(scratch, s);
      for (size_t unit = begin; unit < end; ++unit) of_map(map_part(s, unit), memory);
      return;
    }
    const ResponseBlock block = response_block(scratch, s);
    clear_margins(block);
    const size_t group = s.channels / s.groups, last = end * s.groups;
    for (size_t line = begin * s.groups; line < last; line += block.lines) {
      of_lines(block, smaller(block.lines, last - line), line * group);
    }
  });
}

void local_response_forward(bpnet::Context& context, const bpnet::LocalResponseSizes& s, const real* x,
                            real* y) {
  each_response(
      context, s, [&](MapPart part, MapMemory memory) { response_of_map(s, part, memory.row_sums, x, y); },
      [&](const ResponseBlock& block, size_t lines, size_t first) {
        const auto of_lines = is_usual(s) ? response_of_lines<true> : response_of_lines<false>;
        of_lines(s, block, lines, x + first, y + first);
      });
}

void local_response_backward(bpnet::Context& context, const bpnet::LocalResponseSizes& s, const real* x,
                             const real* grad_y, real* grad_x) {
  each_response(
      context, s,
      [&](MapPart part, MapMemory memory) { gradient_of_map(s, part, memory, x, grad_y, grad_x); },
      [&](const ResponseBlock& block, size_t lines, size_t first) {
        const auto of_lines = is_usual(s) ? gradient_of_lines<true> : gradient_of_lines<false>;
        of_lines(s, block, lines, x + first, grad_y + first, grad_x + first);
      });
}

}  // namespace
