// 3 × 3 convolutions of stride 1 by Winograd's minimal filtering: a tile of 4 × 4 outputs takes 36 products
// for each pair of channels, not 144. The transformed tiles of a block are 36 matrices (tiles, channels), the
// transformed weights 36 matrices (channels, outputs), and their products are transformed back.
#pragma once

#include "bpnet/kernels/cpu/activation.h"
#include "bpnet/kernels/cpu/base/channels.h"
#include "bpnet/kernels/cpu/base/scratch.h"
#include "bpnet/kernels/cpu/convolution/shapes.h"
#include "bpnet/kernels/cpu/convolution/winograd_transforms.h"
#include "bpnet/kernels/cpu/product/gemm.h"

namespace {

// Matrices one after another, all of the same size. A row is an odd number of cache lines long, so that the
// rows of a column are in different sets of the cache.
struct Planes {
  real* data;
  size_t row, plane;  // elements from a row to the next, from a matrix to the next

  real* at(size_t point, size_t r) const { return data + point * plane + r * row; }
};

inline size_t spread_row(size_t columns) {
  constexpr size_t kLine = 64 / sizeof(real);
  return (ceil_divide(round_up(columns, kTileColumns), kLine) | 1) * kLine;
}

inline Planes take_planes(Scratch& scratch, size_t rows, size_t columns) {
  const size_t row = spread_row(columns), plane = rows * row;
  return {scratch.take<real>(kWinogradPoints * plane), row, plane};
}

// How the tiles of a call are divided. Parts are computed in parallel, each block by block in separate
// scratch; with a single part its matrices are computed in parallel instead.
struct TileBlocks {
  size_t tiles;  // of all images
  size_t part;   // tiles of a part
  size_t parts;
  size_t block;  // tiles of a block
};

inline size_t tiles_along(const bpnet::WindowAxis& axis) { return ceil_divide(axis.out, kWinogradOutputs); }
inline size_t tile_count(const bpnet::ConvolutionSizes& s) {
  return s.n * tiles_along(s.height) * tiles_along(s.width);
}

__attribute__((noinline)) TileBlocks tile_blocks(const bpnet::ConvolutionSizes& s, size_t tiles) {
  const size_t in = group_channels(s), out = group_outputs(s);
  const size_t tile = kWinogradPoints * (spread_row(in) + spread_row(out)) * sizeof(real);  // bytes
  const bool in_parts = in * out <= kWinogradPartWeights && tiles >= kWinogradPartedTiles;
  const size_t rows = (in_parts ? kWinogradPartBytes : kWinogradBytes) / tile / kTileRows * kTileRows;
  const size_t block = smaller(tiles, larger(kTileRows, rows));
  if (!in_parts) return {tiles, tiles, 1, block};
  const size_t part = round_up(larger(kWinogradLeastPart, ceil_divide(tiles, kWinogradParts)), kTileRows);
  return {tiles, part, ceil_divide(tiles, part), block};
}

// Where it is faster than direct convolution: not for few tiles, since all weights have to be transformed,
// few channels, or maps that leave much of their tiles unused.
inline bool suits_winograd(const bpnet::WindowAxis& axis) {
  return axis.kernel == kWinogradTaps && axis.stride == 1 && axis.dilation == 1 &&
         axis.before < kWinogradTaps;
}
__attribute__((noinline)) bool suits_winograd(const bpnet::ConvolutionSizes& s) {
  if (!suits_winograd(s.height) || !suits_winograd(s.width)) return false;
  const size_t in = group_channels(s), out = group_outputs(s), tiles = tile_count(s);
  return smaller(in, out) >= kWinogradChannels && tiles >= kWinogradTiles &&
         tiles * in * out >= kWinogradProducts && s.n * map_positions(s) >= kWinogradPositions * tiles;
}

inline bool inputs_suit_winograd(const bpnet::ConvolutionSizes& s) {
  return has_mirror(s) && suits_winograd(mirrored(s));
}

// Panels of the transformed weights: (point, panel of outputs, channel, kTileColumns).
inline size_t winograd_panel(const bpnet::ConvolutionSizes& s) { return group_channels(s) * kTileColumns; }
inline size_t winograd_weight_plane(const bpnet::ConvolutionSizes& s) {
  return ceil_divide(group_outputs(s), kTileColumns) * winograd_panel(s);
}

// The offsets of the weights of a group: tap t from channel k to output c is data[k · channel + c · output +
// t], or 8 − t of a mirrored pass.
struct Filters {
  const real* data;
  size_t channel, output;
  bool mirrored;
};

__attribute__((noinline)) void transform_filters(const Filters& filters, size_t channels, size_t count,
                                                 real* to, size_t plane) {
  alignas(64) real taps[kWinogradWindow][kTileColumns] = {};
  for (size_t k = 0; k < channels; ++k, to += kTileColumns) {
    const real* const from = filters.data + k * filters.channel;
    for (size_t c = 0; c < count; ++c) {
      for (size_t t = 0; t < kWinogradWindow; ++t) {
        taps[filters.mirrored ? kWinogradWindow - 1 - t : t][c] = from[c * filters.output + t];
      }
    }
    for (size_t v = 0; v < kTileColumns; v += kLanes) {
      transform_tile<TransformTaps>(
          [&](size_t i, size_t j) { return load(taps[i * kWinogradTaps + j] + v); },
          [&](size_t i, size_t j, vec u) { store(to + (i * kWinogradInputs + j) * plane + v, u); });
    }
  }
}

__attribute__((noinline)) void winograd_weights(const bpnet::ConvolutionSizes& s, const Filters& filters,
                                                real* panels) {
  const size_t out = group_outputs(s), in = group_channels(s);
  constexpr size_t kChannels = 32;  // of a task
  const size_t pieces = ceil_divide(in, kChannels);
  run_tasks(ceil_divide(out, kTileColumns) * pieces, false, [&](size_t task) {
    const size_t panel = task / pieces, c = panel * kTileColumns, k = task % pieces * kChannels;
    const Filters here = {filters.data + c * filters.output + k * filters.channel, filters.channel,
                          filters.output, filters.mirrored};
    transform_filters(here, smaller(kChannels, in - k), smaller(kTileColumns, out - c),
                      panels + panel * winograd_panel(s) + k * kTileColumns, winograd_weight_plane(s));
  });
}

// The first output of a tile.
struct TileStart {
  size_t n, y, x;
};
inline TileStart tile_start(const bpnet::ConvolutionSizes& s, size_t tile) {
  const size_t along = tiles_along(s.width), down = tiles_along(s.height);
  return {tile / along / down, tile / along % down * kWinogradOutputs, tile % along * kWinogradOutputs};
}

// Row r of the planes: the tile's inputs, transformed. x is of the first channel of the group.
__attribute__((noinline)) void transform_input_tile(const bpnet::ConvolutionSizes& s, const real* x,
                                                    const real* zeros, size_t tile, const Planes& to,
                                                    size_t r) {
  const TileStart at = tile_start(s, tile);
  const bpnet::WindowAxis &h = s.height, &w = s.width;
  const real* from[kWinogradInputs][kWinogradInputs];
  for (size_t i = 0; i < kWinogradInputs; ++i) {
    for (size_t j = 0; j < kWinogradInputs; ++j) {
      const size_t iy = at.y + i - h.before, ix = at.x + j - w.before;  // wraps where it is negative
      const bool within = iy < h.in && ix < w.in;
      from[i][j] = within ? x + ((at.n * h.in + iy) * w.in + ix) * s.channels : zeros;
    }
  }
  const size_t channels = group_channels(s);
  for (size_t c = 0; c < channels; c += kLanes) {
    real* const row = to.at(0, r) + c;
    transform_tile<TransformInputs>(
        [&](size_t i, size_t j) { return load_channels(from[i][j] + c, channels - c); },
        [&](size_t i, size_t j, vec v) { store(row + (i * kWinogradInputs + j) * to.plane, v); });
  }
}

// The outputs of a tile that are within the map.
struct TileOutputs {
  size_t rows, columns;
};
inline TileOutputs tile_outputs(const bpnet::ConvolutionSizes& s, const TileStart& at) {
  return {smaller(kWinogradOutputs, s.height.out - at.y), smaller(kWinogradOutputs, s.width.out - at.x)};
}

// The tile's outputs from row r of the planes; bias and y are of the first output of the group.
__attribute__((noinline)) void transform_output_tile(const bpnet::ConvolutionSizes& s, const Planes& from,
                                                     size_t r, size_t tile, const real* bias,
                                                     bpnet::Activation act, real* y) {
  const TileStart at = tile_start(s, tile);
  const TileOutputs outputs = tile_outputs(s, at);
  const size_t channels = group_outputs(s), row = s.width.out * s.out_channels;
  real* const to = y + (at.n * s.height.out + at.y) * row + at.x * s.out_channels;
  for (size_t c = 0; c < channels; c += kLanes) {
    const real* const products = from.at(0, r) + c;
    const vec start = bias ? load_channels(bias + c, channels - c) : vec{};
    transform_tile<TransformProducts>(
        [&](size_t i, size_t j) { return load(products + (i * kWinogradInputs + j) * from.plane); },
        [&](size_t i, size_t j, vec v) {
          if (i >= outputs.rows || j >= outputs.columns) return;
          store_channels(to + i * row + j * s.out_channels + c, v + start, channels - c);
        });
  }
  if (act.kind == bpnet::ActivationKind::kIdentity) return;
  for (size_t i = 0; i < outputs.rows; ++i) {
    for (size_t j = 0; j < outputs.columns; ++j) {
      real* const position = to + i * row + j * s.out_channels;
      activate(act, channels, position, position);
    }
  }
}

// Row r of the planes: the gradients by the tile's outputs, transformed.
__attribute__((noinline)) void transform_gradient_tile(const bpnet::ConvolutionSizes& s, const real* grad_y,
                                                       const real* zeros, size_t tile, const Planes& to,
                                                       size_t r) {
  const TileStart at = tile_start(s, tile);
  const TileOutputs outputs = tile_outputs(s, at);
  const size_t channels = group_outputs(s), row = s.width.out * s.out_channels;
  const real* const first = grad_y + (at.n * s.height.out + at.y) * row + at.x * s.out_channels;
  const real* from[kWinogradOutputs][kWinogradOutputs];
  for (size_t i = 0; i < kWinogradOutputs; ++i) {
    for (size_t j = 0; j < kWinogradOutputs; ++j) {
      const bool within = i < outputs.rows && j < outputs.columns;
      from[i][j] = within ? first + i * row + j * s.out_channels : zeros;
    }
  }
  for (size_t c = 0; c < channels; c += kLanes) {
    real* const here = to.at(0, r) + c;
    transform_tile<TransformGradients>(
        [&](size_t i, size_t j) { return load_channels(from[i][j] + c, channels - c); },
        [&](size_t i, size_t j, vec v) { store(here + (i * kWinogradInputs + j) * to.plane, v); });
  }
}

// c (rows, columns) = or += a · b, a (rows, depth) by strides, b in rows of b_depth elements, its panels of
// kTileColumns columns `panel` apart. A tile's rows of a stay in the first-level cache for all panels of b.
struct PlaneProduct {
  const real* a;
  size_t a_row, a_depth;
  const real* b;
  size_t b_depth, panel;
  real* c;
  size_t c_row;
  size_t rows, columns, depth;
  bool add;
};

__attribute__((noinline)) void multiply_planes(const PlaneProduct& p) {
  const size_t depth = ceil_divide(p.depth, ceil_divide(p.depth, kDepth));
  for (size_t k = 0; k < p.depth; k += depth) {
    for (size_t i = 0; i < p.rows;) {
      const TileKind& kind = tile_for(p.rows - i, false);
      for (size_t j = 0; j < p.columns; j += kTileColumns) {
        const size_t vectors = p.columns - j > kLanes;
        kind.product[vectors]({p.a + i * p.a_row + k * p.a_depth, p.a_row, p.a_depth,
                               p.b + j / kTileColumns * p.panel + k * p.b_depth, p.b_depth,
                               smaller(depth, p.depth - k), nullptr},
                              {p.c + i * p.c_row + j, p.c_row, p.add || k > 0});
      }
      i += kind.rows;
    }
  }
}

struct WinogradMemory {
  real* weights;         // transformed, of a group
  real* zeros;           // as many as a group has channels or outputs: for elements beyond the map
  unsigned char* parts;  // part_bytes each
  size_t part_bytes;
};

struct WinogradPart {
  Planes inputs, outputs;  // (block, channels), (block, outputs): products, or gradients
  Planes sums;             // (outputs, channels): of the gradient of the weights
};

inline WinogradPart winograd_part(Scratch& scratch, const bpnet::ConvolutionSizes& s, size_t block,
                                  bool gradient) {
  return {take_planes(scratch, block, group_channels(s)), take_planes(scratch, block, group_outputs(s)),
          gradient ? take_planes(scratch, group_outputs(s), group_channels(s)) : Planes{nullptr, 0, 0}};
}

inline size_t part_bytes(const bpnet::ConvolutionSizes& s, const TileBlocks& blocks, bool gradient) {
  Scratch part = {nullptr};
  winograd_part(part, s, blocks.block, gradient);
  return part.bytes;
}

// For this many tiles and all smaller numbers: as they grow their parts may be fewer, or their blocks
// smaller.
inline size_t parts_bytes(const bpnet::ConvolutionSizes& s, size_t tiles, bool gradient) {
  const TileBlocks blocks = tile_blocks(s, tiles);
  const size_t single = smaller(tiles, kWinogradPartedTiles - 1);
  const size_t most = blocks.parts > 1 ? smaller(kWinogradParts, ceil_divide(tiles, kWinogradLeastPart)) : 1;
  return larger(most * part_bytes(s, blocks, gradient), part_bytes(s, tile_blocks(s, single), gradient));
}

__attribute__((noinline)) WinogradMemory winograd_memory(Scratch& scratch, const bpnet::ConvolutionSizes& s,
                                                         bool gradient) {
  const size_t tiles = tile_count(s);
  return {scratch.take<real>(gradient ? 0 : kWinogradPoints * winograd_weight_plane(s)),
          scratch.take<real>(larger(group_channels(s), group_outputs(s))),
          scratch.take<unsigned char>(parts_bytes(s, tiles, gradient)),
          part_bytes(s, tile_blocks(s, tiles), gradient)};
}

// Scratch of forward and both gradients.
inline size_t winograd_workspace(const bpnet::ConvolutionSizes& s) {
  Scratch forward = {nullptr}, input = {nullptr}, weight = {nullptr};
  if (suits_winograd(s)) {
    winograd_memory(forward, s, false);
    winograd_memory(weight, s, true);
  }
  if (inputs_suit_winograd(s)) winograd_memory(input, mirrored(s), false);
  return larger(forward.bytes, larger(input.bytes, weight.bytes));
}

// Calls body(part, first tile, end, whether the block is the first of its part, whether to compute it
// serially) for every block; each part's in order.
template <class Body>
inline void each_tile_block(const bpnet::ConvolutionSizes& s, const WinogradMemory& memory, bool gradient,
                            const Body& body) {
  const TileBlocks blocks = tile_blocks(s, tile_count(s));
  run_tasks(blocks.parts, blocks.parts == 1, [&](size_t index) {
    Scratch scratch = part_of({memory.parts}, index, memory.part_bytes);
    const WinogradPart part = winograd_part(scratch, s, blocks.block, gradient);
    const size_t first = index * blocks.part, end = smaller(blocks.tiles, first + blocks.part);
    for (size_t begin = first; begin < end; begin += blocks.block) {
      body(part, begin, smaller(end, begin + blocks.block), begin == first, blocks.parts > 1);
    }
  });
}

// Tiles of a task of the transforms, columns of a task of the products.
inline size_t tiles_per_task(const bpnet::ConvolutionSizes& s) {
  return rows_per_chunk(kWinogradPoints * (group_channels(s) + group_outputs(s)) / 4);
}
constexpr size_t kPlaneColumns = 8 * kTileColumns;

// y = act(convolution + bias) of group g
inline void winograd_group(const bpnet::ConvolutionSizes& s, const WinogradMemory& memory, const real* x,
                           const real* bias, bpnet::Activation act, real* y) {
  const size_t in = group_channels(s), out = group_outputs(s), pieces = ceil_divide(out, kPlaneColumns);
  each_tile_block(
      s, memory, false, [&](const WinogradPart& part, size_t begin, size_t end, bool, bool serial) {
        const size_t some = tiles_per_task(s), tasks = ceil_divide(end - begin, some);
        run_tasks(tasks, serial, [&](size_t task) {
          const size_t first = begin + task * some;
          for (size_t t = first; t < smaller(end, first + some); ++t) {
            transform_input_tile(s, x, memory.zeros, t, part.inputs, t - begin);
          }
        });
        run_tasks(kWinogradPoints * pieces, serial, [&](size_t task) {
          const size_t point = task / pieces, c = task % pieces * kPlaneColumns;
          multiply_planes(
              {part.inputs.at(point, 0), part.inputs.row, 1,
               memory.weights + point * winograd_weight_plane(s) + c / kTileColumns * winograd_panel(s),
               kTileColumns, winograd_panel(s), part.outputs.at(point, 0) + c, part.outputs.row, end - begin,
               smaller(kPlaneColumns, out - c), in, false});
        });
        run_tasks(tasks, serial, [&](size_t task) {
          const size_t first = begin + task * some;
          for (size_t t = first; t < smaller(end, first + some); ++t) {
            transform_output_tile(s, part.outputs, t - begin, t, bias, act, y);
          }
        });
      });
}

__attribute__((noinline)) void winograd_run(bpnet::Context& context, const bpnet::ConvolutionSizes& s,
                                            const real* x, const Filters& filters, const real* bias,
                                            bpnet::Activation act, real* y) {
  Scratch scratch = {context.scratch};
  const WinogradMemory memory = winograd_memory(scratch, s, false);
  const size_t in = group_channels(s), out = group_outputs(s);
  fill_zero(in, memory.zeros);
  for (size_t g = 0; g < s.groups; ++g) {
    const Filters of_group = {filters.data + g * out * in * kWinogradWindow, filters.channel, filters.output,
                              filters.mirrored};
    winograd_weights(s, of_group, memory.weights);
    winograd_group(s, memory, x + g * in, bias ? bias + g * out : nullptr, act, y + g * out);
  }
}

inline void winograd_forward(bpnet::Context& context, const bpnet::ConvolutionSizes& s, const real* x,
                             const real* w, const real* bias, bpnet::Activation act, real* y) {
  winograd_run(context, s, x, {w, kWinogradWindow, group_channels(s) * kWinogradWindow, false}, bias, act, y);
}

// grad_x is the convolution of grad_y by the weights, mirrored and transposed.
inline void winograd_backward_input(bpnet::Context& context, const bpnet::ConvolutionSizes& s,
                                    const real* grad_y, const real* w, real* grad_x) {
  const Filters filters = {w, group_channels(s) * kWinogradWindow, kWinogradWindow, true};
  winograd_run(context, mirrored(s), grad_y, filters, nullptr, kNoEpilogue.activation, grad_x);
}

// grad_w (outputs, channels, taps) of a group = or += the sums, transformed back
__attribute__((noinline)) void transform_filter_gradients(const bpnet::ConvolutionSizes& s,
                                                          const Planes& sums, size_t o, real* grad_w,
                                                          bool accumulate) {
  const size_t channels = group_channels(s);
  for (size_t c = 0; c < channels; c += kLanes) {
    const real* const from = sums.at(0, o) + c;
    alignas(64) real taps[kWinogradWindow][kLanes];
    transform_tile<TransformTapGradients>(
        [&](size_t i, size_t j) { return load(from + (i * kWinogradInputs + j) * sums.plane); },
        [&](size_t i, size_t j, vec v) { store(taps[i * kWinogradTaps + j], v); });
    for (size_t k = 0; k < smaller(kLanes, channels - c); ++k) {
      real* const to = grad_w + (o * channels + c + k) * kWinogradWindow;
      for (size_t t = 0; t < kWinogradWindow; ++t) to[t] = taps[t][k] + (accumulate ? to[t] : real(0));
    }
  }
}

inline void winograd_weight_group(const bpnet::ConvolutionSizes& s, const WinogradMemory& memory,
                                  const real* x, const real* grad_y, real* grad_w, bool accumulate) {
  const size_t in = group_channels(s), out = group_outputs(s), pieces = ceil_divide(in, kPlaneColumns);
  const TileBlocks blocks = tile_blocks(s, tile_count(s));
  each_tile_block(
      s, memory, true,
      [&](const WinogradPart& part, size_t begin, size_t end, bool first_of_part, bool serial) {
        const size_t some = tiles_per_task(s), tasks = ceil_divide(end - begin, some);
        run_tasks(tasks, serial, [&](size_t task) {
          const size_t first = begin + task * some;
          for (size_t t = first; t < smaller(end, first + some); ++t) {
            transform_input_tile(s, x, memory.zeros, t, part.inputs, t - begin);
            transform_gradient_tile(s, grad_y, memory.zeros, t, part.outputs, t - begin);
          }
        });
        run_tasks(kWinogradPoints * pieces, serial, [&](size_t task) {
          const size_t point = task / pieces, c = task % pieces * kPlaneColumns;
          multiply_planes({part.outputs.at(point, 0), 1, part.outputs.row, part.inputs.at(point, 0) + c,
                           part.inputs.row, kTileColumns, part.sums.at(point, 0) + c, part.sums.row, out,
                           smaller(kPlaneColumns, in - c), end - begin, !first_of_part});
        });
      });
  const auto sums_of = [&](size_t index) {
    Scratch scratch = part_of({memory.parts}, index, memory.part_bytes);
    return winograd_part(scratch, s, blocks.block, true).sums;
  };
  const Planes sums = sums_of(0);
  run_chunks(out, rows_per_chunk(kWinogradPoints * in), [&](size_t begin, size_t end, size_t) {
    for (size_t o = begin; o < end; ++o) {
      for (size_t part = 1; part < blocks.parts; ++part) {
        const Planes more = sums_of(part);
        for (size_t point = 0; point < kWinogradPoints; ++point) {
          add_scaled(whole_vectors(in), 1, more.at(point, o), sums.at(point, o));
        }
      }
      transform_filter_gradients(s, sums, o, grad_w, accumulate);
    }
  });
}

__attribute__((noinline)) void winograd_backward_weight(bpnet::Context& context,
                                                        const bpnet::ConvolutionSizes& s, const real* x,
                                                        const real* grad_y, real* grad_w, bool accumulate) {
  Scratch scratch = {context.scratch};
  const WinogradMemory memory = winograd_memory(scratch, s, true);
  const size_t in = group_channels(s), out = group_outputs(s);
  fill_zero(larger(in, out), memory.zeros);
  for (size_t g = 0; g < s.groups; ++g) {
    winograd_weight_group(s, memory, x + g * in, grad_y + g * out, grad_w + g * out * in * kWinogradWindow,
                          accumulate);
  }
}

}  // namespace
