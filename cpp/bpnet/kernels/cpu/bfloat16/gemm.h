// c (m, n) = or += a (m, k) · b (k, n): factors in bfloat16, sums in float by one of the tile units.
#pragma once

#include "bpnet/kernels/cpu/base/scratch.h"
#include "bpnet/kernels/cpu/bfloat16/cut.h"
#include "bpnet/kernels/cpu/bfloat16/pack.h"

namespace {

// The rows of c that are positions of an image: those of a phase of a convolution with strides.
struct ImageRows {
  size_t down, along;        // positions of an image
  size_t image, row, pixel;  // elements from one to the next
};

struct Target {
  float* data;
  size_t stride;
  bool accumulate;
  const ImageRows* images = nullptr;  // null: rows are `stride` apart
  bool transposed = false;            // stored as (n, m), rows of m `stride` apart

  float* row(size_t i) const {
    if (!images) return data + i * stride;
    const size_t map = images->down * images->along, within = i % map;
    return data + i / map * images->image + within / images->along * images->row +
           within % images->along * images->pixel;
  }
};

// Applied last, to c as it is stored: row = act(row + bias).
struct Finish {
  const bpnet::Kernels<float>* base;  // which has the activations
  const float* bias;                  // of a row's length, or null
  bpnet::Activation activation;
};

constexpr Finish kNoFinish = {nullptr, nullptr, {bpnet::ActivationKind::kIdentity, 0}};

struct Product {
  const TileUnit& unit;
  ProductSizes size;
  Factor a, b;
  Target c;
  Finish finish;
};

inline size_t product_workspace(const ProductSizes& s) {
  Scratch scratch = {nullptr};
  scratch.take<bfloat16>(cut_elements(s, kMostDepth, false));
  return scratch.bytes;
}

// The panels of one block times all resident panels: lines r0 … r1−1 and s0 … s1−1, k0 … k0+k−1.
struct BlockPass {
  const Product& p;
  Panels resident, streamed;
  size_t r0, r1, s0, s1, k0, k;

  bool a_resident() const { return p.size.m <= p.size.n; }
};

// body(offset in c, offset in the tile) for every element of c from (i, j) on.
template <class Body>
inline void each_element(const Target& c, size_t i, size_t j, size_t rows, size_t columns, float* tile,
                         const Body& body) {
  if (c.transposed) {
    for (size_t x = 0; x < columns; ++x) {
      float* const column = c.row(j + x) + i;
      for (size_t y = 0; y < rows; ++y) body(column[y], tile[y * kPairLines + x]);
    }
    return;
  }
  for (size_t y = 0; y < rows; ++y) {
    float* const row = c.row(i + y) + j;
    for (size_t x = 0; x < columns; ++x) body(row[x], tile[y * kPairLines + x]);
  }
}

// Sums that are not stored directly: cropped at the edge of c, in rows of images, or transposed.
inline void sums_aside(const Target& c, const TileUnit& unit, TileSums sums, size_t i, size_t j, size_t rows,
                       size_t columns) {
  alignas(64) float tile[kPairLines * kPairLines] = {};
  if (sums.add) each_element(c, i, j, rows, columns, tile, [](float& of_c, float& sum) { sum = of_c; });
  sums.c = tile;
  sums.stride = kPairLines;
  unit.sums[rows > kPanelLines][columns > kPanelLines](sums);
  each_element(c, i, j, rows, columns, tile, [](float& of_c, float& sum) { of_c = sum; });
}

inline void tile_sums(const BlockPass& pass, size_t r, size_t s) {
  const Product& p = pass.p;
  const bool a_resident = pass.a_resident();
  const bfloat16 *const resident = pass.resident.of_line(r), *const streamed = pass.streamed.of_line(s);
  const size_t i = a_resident ? pass.r0 + r : pass.s0 + s, j = a_resident ? pass.s0 + s : pass.r0 + r;
  const size_t rows = smaller(kPairLines, (a_resident ? pass.r1 : pass.s1) - i);
  const size_t columns = smaller(kPairLines, (a_resident ? pass.s1 : pass.r1) - j);
  TileSums sums = {a_resident ? resident : streamed,
                   a_resident ? streamed : resident,
                   line_elements(pass.k),
                   (a_resident ? pass.streamed : pass.resident).panel,
                   ceil_divide(pass.k, kBlockDepth),
                   nullptr,
                   p.c.stride,
                   p.c.accumulate || pass.k0 > 0,
                   kConsecutiveBlocks.at};
  if (p.c.images || p.c.transposed || rows % kPanelLines != 0 || columns % kPanelLines != 0) {
    sums_aside(p.c, p.unit, sums, i, j, rows, columns);
    return;
  }
  sums.c = p.c.row(i) + j;
  p.unit.sums[rows > kPanelLines][columns > kPanelLines](sums);
}

// Rows i0 … i1−1 of c as it is stored.
inline void finish_rows(const Product& p, size_t i0, size_t i1, size_t j0, size_t j1) {
  const Finish& finish = p.finish;
  const bool activates = finish.activation.kind != bpnet::ActivationKind::kIdentity;
  if (!finish.bias && !activates) return;
  bpnet::Context none = {};
  for (size_t i = i0; i < i1; ++i) {
    float* const row = p.c.row(i);
    if (finish.bias) {
      for (size_t j = j0; j < j1; ++j) row[j] += finish.bias[j];
    }
    if (activates) finish.base->activation_forward(none, finish.activation, j1 - j0, row + j0, row + j0);
  }
}

inline void multiply_block(const BlockPass& pass) {
  const Product& p = pass.p;
  for (size_t r = 0; r < pass.r1 - pass.r0; r += kPairLines) {
    for (size_t s = 0; s < pass.s1 - pass.s0; s += kPairLines) tile_sums(pass, r, s);
  }
  if (pass.k0 + pass.k < p.size.k) return;
  if (pass.a_resident() != p.c.transposed) {
    finish_rows(p, pass.r0, pass.r1, pass.s0, pass.s1);
  } else {
    finish_rows(p, pass.s0, pass.s1, pass.r0, pass.r1);
  }
}

// One depth of k and the resident lines r0 … r1−1 by all lines of the other operand.
inline void run_pass(const Product& p, const Cut& cut, size_t r0, size_t r1, size_t k0, size_t k,
                     bfloat16* packed, bfloat16* blocks) {
  const bool a_resident = p.size.m <= p.size.n;
  const Factor &kept = a_resident ? p.a : p.b, &streamed = a_resident ? p.b : p.a;
  constexpr size_t kTogether = 4 * kPanelLines;
  const Panels resident = panels_at(kept, !a_resident, r0, k0, k, packed);
  run_tasks(kept.prepared ? 0 : ceil_divide(r1 - r0, kTogether), cut.serial, [&](size_t index) {
    const size_t line = index * kTogether;
    pack_panels(kept, !a_resident, r0 + line, smaller(kTogether, r1 - r0 - line), k0, k,
                packed + line / kPanelLines * resident.panel);
  });
  const size_t lines = p.size.more(), count = ceil_divide(lines, cut.block);
  run_tasks(cut.tasks, cut.serial, [&](size_t task) {
    bfloat16* const block = blocks + task * packed_elements(cut.block, cut.depth);
    p.unit.begin();
    for (size_t index = count * task / cut.tasks; index < count * (task + 1) / cut.tasks; ++index) {
      const size_t s0 = index * cut.block, s1 = smaller(lines, s0 + cut.block);
      if (!streamed.prepared) pack_panels(streamed, a_resident, s0, s1 - s0, k0, k, block);
      multiply_block({p, resident, panels_at(streamed, a_resident, s0, k0, k, block), r0, r1, s0, s1, k0, k});
    }
    p.unit.end();
  });
}

__attribute__((noinline)) void run_product(const Product& p, Scratch scratch, size_t most_depth,
                                           bool serial) {
  const ProductSizes& s = p.size;
  if (s.m == 0 || s.n == 0 || s.k == 0) return;
  const Cut cut = cut_of(s, most_depth, serial, (s.m <= s.n ? p.b : p.a).across);
  bfloat16* const resident = scratch.take<bfloat16>(packed_elements(cut.resident, cut.depth));
  bfloat16* const blocks = scratch.take<bfloat16>(cut.tasks * packed_elements(cut.block, cut.depth));
  for (size_t r = 0; r < s.fewer(); r += cut.resident) {
    for (size_t k = 0; k < s.k; k += cut.depth) {
      run_pass(p, cut, r, smaller(s.fewer(), r + cut.resident), k, smaller(cut.depth, s.k - k), resident,
               blocks);
    }
  }
}

inline size_t part_bytes(const ProductSizes& s) {
  Scratch scratch = {nullptr};
  scratch.take<float>(s.m * s.n);
  scratch.take<bfloat16>(cut_elements(s, kPartDepth, true));
  return scratch.bytes;
}

// Scratch of product_in_parts for any k up to this one.
inline size_t product_in_parts_workspace(const ProductSizes& s) {
  return larger(product_workspace(s), split_of(s).most * part_bytes(s));
}

// The same where k may be long and the result small; without bias and activation.
inline void product_in_parts(const Product& p, Scratch scratch) {
  const ProductSizes& s = p.size;
  const Split split = split_of(s);
  if (split.parts < 2) return run_product(p, scratch, kMostDepth, false);
  const size_t bytes = part_bytes(s);
  const auto result_of = [&](size_t part) { return part_of(scratch, part, bytes); };
  run_tasks(split.parts, s.m * s.n * s.k < kSerialWork, [&](size_t part) {
    Scratch own = result_of(part);
    float* const result = own.take<float>(s.m * s.n);
    const size_t k0 = part * split.depth;
    Product here = {p.unit,   {s.m, s.n, smaller(split.depth, s.k - k0)}, p.a, p.b, {result, s.n, false},
                    kNoFinish};
    here.a.first = p.a.first + k0;
    here.b.first = p.b.first + k0;
    run_product(here, own, kPartDepth, true);
  });
  run_chunks(s.m, rows_per_chunk(s.n), [&](size_t begin, size_t end, size_t) {
    for (size_t i = begin; i < end; ++i) {
      float* const row = p.c.row(i);
      for (size_t part = 0; part < split.parts; ++part) {
        const float* const from = result_of(part).take<float>(s.m * s.n) + i * s.n;
        const bool add = p.c.accumulate || part > 0;
        for (size_t j = 0; j < s.n; ++j) row[j] = add ? row[j] + from[j] : from[j];
      }
    }
  });
}

}  // namespace
