// How a product is cut. The operand with fewer lines is packed as a whole, some depth of k at a time; the
// other block by block, in the cache of the thread that multiplies the block. Each element of the result is
// summed in the order of k, so of all cuts only that into parts of k changes the bits.
#pragma once

#include "bpnet/kernels/cpu/base/chunks.h"
#include "bpnet/kernels/cpu/bfloat16/panels.h"

namespace {

struct ProductSizes {
  size_t m, n, k;

  size_t fewer() const { return smaller(m, n); }
  size_t more() const { return larger(m, n); }
};

constexpr size_t kPairLines = 2 * kPanelLines;         // of the panels that are multiplied together
constexpr size_t kResidentElements = size_t{1} << 23;  // packed at once
constexpr size_t kResidentLines = 8192;
// Size of a packed block whose rows are across the lines: long parts of rows, a quarter of a second-level
// cache.
constexpr size_t kBlockBytes = size_t{1} << 19;
constexpr size_t kBlockLines = 512;
constexpr size_t kAlongLines = 2 * kPairLines;  // of a block whose rows are lines: it stays cached during use
constexpr size_t kMostTasks = 64;
constexpr size_t kSerialWork = size_t{1} << 22;  // multiply-adds below which a second thread does not pay

constexpr size_t kStreamElements = kBlockBytes / sizeof(bfloat16);

struct Cut {
  size_t resident;  // lines
  size_t depth;
  size_t block;  // lines of the other operand
  size_t tasks;
  bool serial;
};

// `across`: the operand that is packed block by block has rows across its lines.
inline Cut cut_of(const ProductSizes& s, size_t most_depth, bool serial, bool across) {
  Cut cut;
  cut.serial = serial || round_up(s.fewer(), kPanelLines) * s.more() * s.k < kSerialWork;
  cut.resident = smaller(round_up(s.fewer(), kPairLines), kResidentLines);
  const size_t fits = kResidentElements / cut.resident / kBlockDepth * kBlockDepth;
  const size_t most = smaller(most_depth, fits);
  cut.depth = round_up(ceil_divide(s.k, ceil_divide(s.k, most)), kBlockDepth);
  cut.block = across ? kStreamElements / cut.depth / kPairLines * kPairLines : kAlongLines;
  cut.block = smaller(larger(cut.block, kPairLines), smaller(kBlockLines, round_up(s.more(), kPairLines)));
  const size_t wanted = cut.serial ? 1 : kMostTasks / 4;
  while (cut.block > kPairLines && ceil_divide(s.more(), cut.block) < wanted) {
    cut.block = round_up(cut.block / 2, kPairLines);
  }
  cut.tasks = cut.serial ? 1 : smaller(kMostTasks, ceil_divide(s.more(), cut.block));
  return cut;
}

// Elements of both operands' panels for any k up to this one and this many lines. The padding of lines is at
// most an eighth of what is packed at once.
inline size_t cut_elements(const ProductSizes& s, size_t most_depth, bool serial) {
  const size_t depth = line_elements(smaller(s.k, most_depth));
  const size_t most = 2 * kResidentElements;
  const size_t resident = smaller(round_up(s.fewer(), kPairLines) * depth, most);
  const size_t tasks = serial ? 1 : kMostTasks;
  const size_t blocks = tasks * larger(kAlongLines * depth, kStreamElements + kStreamElements / 8);
  return resident + smaller(blocks, 2 * round_up(s.more(), kPairLines) * depth);
}

// The gradient of few weights over many positions: k in parts, each with its own result; these are added in
// order.
struct Split {
  size_t parts;  // 1: none
  size_t depth;  // of a part
  size_t most;   // how many parts scratch is reserved for; it never shrinks as k grows
};

constexpr size_t kPartDepth = 1024;
constexpr size_t kSplitElements = size_t{1} << 23;  // of all parts' results
constexpr size_t kFewestParts = 8, kMostSplitParts = 32;

inline Split split_of(const ProductSizes& s) {
  const size_t fit = smaller(kSplitElements / larger(1, s.m * s.n), s.k / kPartDepth);
  size_t parts = smaller(kMostSplitParts, fit) / kFewestParts * kFewestParts;
  if (parts == 0) return {1, s.k, 0};
  const size_t depth = round_up(ceil_divide(s.k, parts), kBlockDepth);
  return {ceil_divide(s.k, depth), depth, parts};
}

}  // namespace
