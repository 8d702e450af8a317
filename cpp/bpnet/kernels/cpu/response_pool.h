// Local response normalisation fused with a max pool of it: of the map between them, several times as large
// as the pool's output, only some rows are in memory.
#pragma once

#include "bpnet/kernels/cpu/local_response.h"
#include "bpnet/kernels/cpu/pooling.h"

namespace {

typedef uint8_t tap_vec __attribute__((vector_size(kLanes)));  // tap numbers of a vector of channels

inline ivec load_taps(const uint8_t* p) {
  tap_vec taps;
  __builtin_memcpy(&taps, p, kLanes);
  return __builtin_convertvector(taps, ivec);
}
inline void store_taps(uint8_t* p, ivec v, size_t count) {
  const tap_vec taps = __builtin_convertvector(v, tap_vec);
  if (count >= kLanes) {
    __builtin_memcpy(p, &taps, kLanes);
  } else {
    for (size_t i = 0; i < count; ++i) p[i] = taps[i];
  }
}

// Some rows of the map between: the normalised rows for a row of outputs, or their gradient.
struct ResponseRows {
  real* rows;  // (height's kernel, width, channels), row iy at iy modulo the kernel
  ResponseBlock block;
};

inline size_t between_row(const bpnet::PoolSizes& pool) { return pool.width.in * pool.channels; }

inline ResponseRows response_rows(Scratch& scratch, const bpnet::LocalResponseSizes& norm,
                                  const bpnet::PoolSizes& pool) {
  real* const rows = scratch.take<real>(pool.height.kernel * between_row(pool));
  return {rows, response_block(scratch, norm)};
}

// Rows of inputs or outputs, of all images, cut into parts.
inline ResponsePlan rows_plan(const bpnet::LocalResponseSizes& norm, const bpnet::PoolSizes& pool,
                              size_t height, size_t width) {
  Scratch part = {nullptr};
  response_rows(part, norm, pool);
  const size_t units = pool.n * height, least = rows_per_chunk(width * pool.channels);
  return {units, cut_into_parts(units, least, part.bytes), part.bytes};
}
inline ResponsePlan input_rows_plan(const bpnet::LocalResponseSizes& norm, const bpnet::PoolSizes& pool) {
  return rows_plan(norm, pool, pool.height.in, pool.width.in);
}
inline ResponsePlan output_rows_plan(const bpnet::LocalResponseSizes& norm, const bpnet::PoolSizes& pool) {
  return rows_plan(norm, pool, pool.height.out, pool.width.out);
}

size_t response_pool_workspace(const bpnet::LocalResponseSizes& norm, const bpnet::PoolSizes& pool) {
  const ResponsePlan in = input_rows_plan(norm, pool), out = output_rows_plan(norm, pool);
  return larger(in.parts.most * in.bytes, out.parts.most * out.bytes);
}

// Calls body(rows, begin, end): the rows begin … end−1 of all images.
template <class Body>
inline void each_part(bpnet::Context& context, const ResponsePlan& plan,
                      const bpnet::LocalResponseSizes& norm, const bpnet::PoolSizes& pool, const Body& body) {
  run_chunks(plan.units, plan.parts.length, [&](size_t begin, size_t end, size_t index) {
    Scratch scratch = part_of({context.scratch}, index, plan.bytes);
    const ResponseRows rows = response_rows(scratch, norm, pool);
    clear_margins(rows.block);
    body(rows, begin, end);
  });
}

// Calls of_lines(lines, index of its first element) for all lines of a row of positions.
template <class OfLines>
inline void lines_of_row(const bpnet::LocalResponseSizes& norm, const ResponseBlock& block,
                         const OfLines& of_lines) {
  const size_t group = norm.channels / norm.groups, count = norm.width * norm.groups;
  for (size_t line = 0; line < count; line += block.lines) {
    of_lines(smaller(block.lines, count - line), line * group);
  }
}

// How many taps of the window along one axis are before its first input.
inline size_t missed_taps(const bpnet::WindowAxis& axis, size_t o) {
  return larger(axis.before, o * axis.stride) - o * axis.stride;
}

// The largest inputs of one window and their tap numbers, counted row by row including missing taps: `height`
// rows from `slot` on, `width` inputs from element `first` on.
struct Largest {
  vec value;
  ivec tap;
};
inline Largest largest_of(const bpnet::PoolSizes& pool, const real* rows, size_t slot, size_t height,
                          size_t width, size_t first_tap, size_t first, size_t count) {
  const size_t row = between_row(pool);
  Largest most = {load_channels(rows + slot * row + first, count), ivec{} + integer(first_tap)};
  for (size_t r = 0; r < height; ++r) {
    const real* x = rows + slot * row + first;
    for (size_t t = 0; t < width; ++t) {
      const vec value = load_channels(x + t * pool.channels, count);
      const ivec stays = (value <= most.value) | (most.value != most.value);
      most.value = stays ? most.value : value;
      most.tap = stays ? most.tap : ivec{} + integer(first_tap + r * pool.width.kernel + t);
    }
    slot = slot + 1 == pool.height.kernel ? 0 : slot + 1;
  }
  return most;
}

__attribute__((noinline)) void pool_rows(const bpnet::PoolSizes& pool, const real* rows, size_t oy, real* y,
                                         uint8_t* largest) {
  const PoolRange down = pool_range(pool.height, AverageKind::kWithoutPadding, oy);
  const size_t missed = missed_taps(pool.height, oy) * pool.width.kernel,
               slot = down.begin % pool.height.kernel;
  for (size_t ox = 0; ox < pool.width.out; ++ox) {
    const PoolRange along = pool_range(pool.width, AverageKind::kWithoutPadding, ox);
    const size_t tap = missed + missed_taps(pool.width, ox), begin = along.begin * pool.channels;
    for (size_t c = 0; c < pool.channels; c += kLanes) {
      const size_t count = pool.channels - c, at = ox * pool.channels + c;
      const Largest most = largest_of(pool, rows, slot, down.count, along.count, tap, begin + c, count);
      store_channels(y + at, most.value, count);
      store_taps(largest + at, most.tap, count);
    }
  }
}

void response_pool_forward(bpnet::Context& context, const bpnet::LocalResponseSizes& norm,
                           const bpnet::PoolSizes& pool, const real* x, real* y, uint8_t* largest) {
  const size_t height = pool.height.out, row = between_row(pool), out_row = pool.width.out * pool.channels;
  const auto of_lines = is_usual(norm) ? response_of_lines<true> : response_of_lines<false>;
  each_part(context, output_rows_plan(norm, pool), norm, pool,
            [&](const ResponseRows& between, size_t begin, size_t end) {
              size_t done = 0;  // rows of the image before this one are computed, as many as windows need
              for (size_t r = begin; r < end; ++r) {
                const size_t n = r / height, oy = r % height;
                if (oy == 0) done = 0;
                const PoolRange down = pool_range(pool.height, AverageKind::kWithoutPadding, oy);
                for (size_t iy = larger(done, down.begin); iy < down.begin + down.count; ++iy) {
                  const real* from = x + (n * pool.height.in + iy) * row;
                  real* to = between.rows + iy % pool.height.kernel * row;
                  lines_of_row(norm, between.block, [&](size_t lines, size_t first) {
                    of_lines(norm, between.block, lines, from + first, to + first);
                  });
                }
                done = down.begin + down.count;
                pool_rows(pool, between.rows, oy, y + r * out_row, largest + r * out_row);
              }
            });
}

// grad (width, channels) += the gradient from the windows of a row of outputs to one row of inputs, their
// taps tap, tap + 1 …
__attribute__((noinline)) void add_gradients(const bpnet::PoolSizes& pool, size_t tap, const real* grad_y,
                                             const uint8_t* largest, real* grad) {
  const size_t channels = pool.channels;
  for (size_t ox = 0; ox < pool.width.out; ++ox, grad_y += channels, largest += channels) {
    const PoolRange along = pool_range(pool.width, AverageKind::kWithoutPadding, ox);
    const integer first = integer(tap + missed_taps(pool.width, ox));
    real* const to = grad + along.begin * channels;
    const size_t end = along.count * channels;
    size_t c = 0;
    for (; c + kLanes <= channels; c += kLanes) {
      ivec most = load_taps(largest + c) - first;
      const vec passed = load(grad_y + c);
      for (size_t i = c; i < end; i += channels, most -= 1) {
        store(to + i, load(to + i) + (most == 0 ? passed : vec{}));
      }
    }
    for (; c < channels; ++c) {
      const size_t at = size_t(integer(largest[c]) - first);
      if (at < along.count) to[at * channels + c] += grad_y[c];
    }
  }
}

void response_pool_backward(bpnet::Context& context, const bpnet::LocalResponseSizes& norm,
                            const bpnet::PoolSizes& pool, const real* x, const uint8_t* largest,
                            const real* grad_y, real* grad_x) {
  const bpnet::WindowAxis& axis = pool.height;
  const size_t row = between_row(pool), out_row = pool.width.out * pool.channels;
  const auto of_lines = is_usual(norm) ? gradient_of_lines<true> : gradient_of_lines<false>;
  each_part(context, input_rows_plan(norm, pool), norm, pool,
            [&](const ResponseRows& between, size_t begin, size_t end) {
              real* const grad = between.rows;
              for (size_t r = begin; r < end; ++r) {
                const size_t n = r / axis.in, padded = r % axis.in + axis.before;
                const size_t first = ceil_divide(larger(padded + 1, axis.kernel) - axis.kernel, axis.stride);
                const size_t last = smaller(axis.out, padded / axis.stride + 1);
                fill_zero(row, grad);
                for (size_t oy = first; oy < last; ++oy) {
                  const size_t out = (n * axis.out + oy) * out_row;
                  add_gradients(pool, (padded - oy * axis.stride) * pool.width.kernel, grad_y + out,
                                largest + out, grad);
                }
                lines_of_row(norm, between.block, [&](size_t lines, size_t i) {
                  of_lines(norm, between.block, lines, x + r * row + i, grad + i, grad_x + r * row + i);
                });
              }
            });
}

}  // namespace
