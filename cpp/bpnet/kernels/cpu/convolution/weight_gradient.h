// The gradient of a convolution's weights: at every position the patch times the gradient of the output. A
// task has a block of the patch's elements and a part of the positions, whose sums are its own, and which are
// added in order.
#pragma once

#include "bpnet/kernels/cpu/convolution/window.h"
#include "bpnet/kernels/cpu/product/gemm.h"

namespace {

constexpr size_t kGradientBlock = 20 * kTileRows;                   // elements of the patch, at most
constexpr size_t kGradientPositions = 256;                          // gathered at a time
constexpr size_t kGradientTasks = 32;                               // some so many
constexpr size_t kGradientSums = (size_t{1} << 23) / sizeof(real);  // of all parts, where there are several

struct GradientPlan {
  size_t block, blocks;        // of a patch
  size_t length, parts, most;  // positions of a part; parts; of the largest batch
  size_t positions;            // gathered at a time
  size_t tasks;                // each with scratch
};

inline GradientPlan gradient_plan(const bpnet::ConvolutionSizes& s) {
  const size_t patch = patch_size(s), count = s.n * map_positions(s);
  GradientPlan plan;
  plan.block = round_up(ceil_divide(patch, ceil_divide(patch, kGradientBlock)), kTileRows);
  plan.blocks = ceil_divide(patch, plan.block);
  const size_t wanted =
      larger(1, smaller(kGradientTasks / (s.groups * plan.blocks), kGradientSums / (s.out_channels * patch)));
  plan.length = larger(kGradientPositions, ceil_divide(count, wanted));
  plan.parts = ceil_divide(count, plan.length);
  plan.most = smaller(wanted, ceil_divide(count, kGradientPositions));
  plan.positions = smaller(count, kGradientPositions);
  plan.tasks = smaller(kGradientTasks, s.groups * plan.blocks * plan.most);
  return plan;
}

struct GradientMemory {
  real* sums;     // (most, groups, patch, outputs of the group)
  real* bias;     // (most, out_channels)
  real* patches;  // (tasks, positions, block)
};

inline GradientMemory gradient_memory(Scratch& scratch, const bpnet::ConvolutionSizes& s) {
  const GradientPlan plan = gradient_plan(s);
  return {scratch.take<real>(plan.most * s.out_channels * patch_size(s)),
          scratch.take<real>(plan.most * s.out_channels),
          scratch.take<real>(plan.tasks * plan.positions * plan.block)};
}

// The sums of a packed panel's columns, (depth, kTileColumns), are added to `sums`, or begin them.
inline void add_panel(const real* panel, size_t depth, size_t columns, real* sums, bool add) {
  vec sum[kTileVectors] = {};
  for (size_t p = 0; p < depth; ++p) {
    for (size_t v = 0; v < kTileVectors; ++v) sum[v] += load(panel + p * kTileColumns + v * kLanes);
  }
  real total[kTileColumns];
  for (size_t v = 0; v < kTileVectors; ++v) store(total + v * kLanes, sum[v]);
  for (size_t j = 0; j < columns; ++j) sums[j] = (add ? sums[j] : real(0)) + total[j];
}

struct GradientTask {
  Window window;
  const real *sources, *grad_y;  // of the group
  size_t columns, stride;        // outputs of the group; of all
  size_t k0, k1;                 // of the patch
  size_t begin, end, together;   // positions, and how many at a time
  real *sums, *bias;             // (k1 − k0, columns); null, or (columns,)
};

__attribute__((noinline)) void multiply_gradient(const GradientTask& t, real* patches) {
  alignas(64) real panel[kGradientPositions * kTileColumns];
  const size_t rows = t.k1 - t.k0;
  for (size_t p = t.begin; p < t.end; p += t.together) {
    const size_t depth = smaller(t.together, t.end - p);
    const bool add = p > t.begin;
    gather_rows(t.window, t.sources, p, depth, t.k0, t.k1, patches, rows);
    for (size_t j = 0; j < t.columns; j += kTileColumns) {
      const size_t columns = smaller(kTileColumns, t.columns - j);
      pack_panel<kTileColumns>(t.grad_y + p * t.stride + j, 1, t.stride, columns, depth, panel);
      if (t.bias) add_panel(panel, depth, columns, t.bias + j, add);
      multiply_block({{rows, columns, depth},
                      {patches, 1, rows},
                      {},
                      {t.sums + j, t.columns, false, add},
                      false,
                      true,
                      nullptr,
                      panel,
                      nullptr},
                     0, rows, 0, columns);
    }
  }
}

// grad_w[o][c][t] = or += Σ over the parts of sums[part][(t, c)][o]: kLanes outputs from `o` on, elements e0
// … e1−1.
__attribute__((noinline)) void restore_outputs(const bpnet::ConvolutionSizes& s, const real* sums,
                                               size_t parts, size_t o, size_t e0, size_t e1, real* grad_w,
                                               bool accumulate) {
  const size_t taps = s.height.kernel * s.width.kernel, in = group_channels(s), out = group_outputs(s);
  const size_t patch = taps * in, count = smaller(kLanes, out - o), part_size = s.out_channels * patch;
  size_t c = e0 / taps, t = e0 % taps;
  for (size_t e = e0; e < e1; e += kLanes) {
    const size_t here = smaller(kLanes, e1 - e);
    vec row[kLanes] = {};
    for (size_t i = 0; i < here; ++i) {
      const real* const from = sums + (t * in + c) * out + o;
      for (size_t part = 0; part < parts; ++part) row[i] += load_lanes(from + part * part_size, count);
      if (++t == taps) t = 0, ++c;
    }
    transpose_rounds<kLanes / 2>(row);
    for (size_t r = 0; r < count; ++r) {
      real* const to = grad_w + (o + r) * patch + e;
      store_lanes(to, accumulate ? load_lanes(to, here) + row[r] : row[r], here);
    }
  }
}

inline void restore_gradient(const bpnet::ConvolutionSizes& s, const real* sums, size_t parts, real* grad_w,
                             bool accumulate) {
  const size_t out = group_outputs(s), patch = patch_size(s), bands = ceil_divide(out, kLanes);
  const size_t length = round_up(larger(1, kChunk / kLanes), kLanes), lengths = ceil_divide(patch, length);
  run_tasks(s.groups * bands * lengths, s.out_channels * patch < 2 * kChunk, [&](size_t index) {
    const size_t e0 = index % lengths * length, o = index / lengths % bands * kLanes,
                 g = index / lengths / bands;
    restore_outputs(s, sums + g * out * patch, parts, o, e0, smaller(patch, e0 + length),
                    grad_w + g * out * patch, accumulate);
  });
}

inline void weight_gradient(const bpnet::ConvolutionSizes& s, const GradientMemory& memory, const real* x,
                            const real* grad_y, real* grad_w, real* grad_bias, bool accumulate) {
  const GradientPlan plan = gradient_plan(s);
  const size_t patch = patch_size(s), out = group_outputs(s), count = s.n * map_positions(s);
  const size_t tasks = s.groups * plan.blocks * plan.parts, taken = smaller(plan.tasks, tasks);
  const Window window = outputs_window(s);
  run_tasks(taken, s.out_channels * patch * count < kSerialProducts, [&](size_t slot) {
    for (size_t index = slot; index < tasks; index += taken) {
      const size_t k0 = index % plan.blocks * plan.block, k1 = smaller(patch, k0 + plan.block);
      const size_t g = index / plan.blocks % s.groups, part = index / plan.blocks / s.groups;
      const size_t begin = part * plan.length, end = smaller(count, begin + plan.length);
      const size_t together = ceil_divide(end - begin, ceil_divide(end - begin, plan.positions));
      multiply_gradient({window, x + g * window.seen, grad_y + g * out, out, s.out_channels, k0, k1, begin,
                         end, together, memory.sums + ((part * s.groups + g) * patch + k0) * out,
                         grad_bias && k0 == 0 ? memory.bias + part * s.out_channels + g * out : nullptr},
                        memory.patches + slot * plan.positions * plan.block);
    }
  });
  restore_gradient(s, memory.sums, plan.parts, grad_w, accumulate);
  if (!grad_bias) return;
  for (size_t j = 0; j < s.out_channels; ++j) {
    real sum = accumulate ? grad_bias[j] : real(0);
    for (size_t part = 0; part < plan.parts; ++part) sum += memory.bias[part * s.out_channels + j];
    grad_bias[j] = sum;
  }
}

}  // namespace
