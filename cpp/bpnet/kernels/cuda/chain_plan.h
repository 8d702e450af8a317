// How a batch of a narrow chain is divided among blocks, and what a block keeps in shared memory. Slices,
// blocks and so all results depend on sizes alone; whether weights are in shared memory depends on the GPU,
// but does not affect results.
#pragma once

#include "bpnet/kernels/cuda/activation_math.h"
#include "bpnet/kernels/cuda/rows.h"
#include "bpnet/kernels/cuda/scratch.h"

namespace bpnet::cuda {

// Wider layers, or more weights, are better computed layer by layer by all multiprocessors.
constexpr size_t kMostChainWidth = 128, kMostChainInput = 1024, kMostChainWeights = size_t{1} << 15;
constexpr size_t kMostChainLinks = 32;  // their list is a kernel's argument, of 4 KB at most
// Elements of a slice: in float64 80 KB, which every GPU permits for a block.
constexpr size_t kSliceElements = 10 * 1024;
constexpr size_t kMostSlice = 32, kGoodSlice = 8, kLeastSlice = 4;  // rows
constexpr size_t kRowsAtOnce = 4;                                   // of a thread
constexpr size_t kMostChainBlocks = 128;  // about the multiprocessors of a large GPU
// A batch of at most this many rows, and products of a row and the weights, is computed by one block: a
// second launch that sums over blocks would cost as much as it saved.
constexpr size_t kRowsOfOneBlock = 64, kProductsOfOneBlock = size_t{1} << 18;
constexpr unsigned kLeastChainThreads = 64, kMostChainThreads = 512;

// Offsets are elements of the block's array; arrays are (features, stride).
template <class T>
struct ChainPart {
  ChainLayer<T> layer;
  unsigned s, y;  // y is s where the derivative needs no s
  unsigned weight, bias;
  unsigned parameter;  // of the weights among all parameters; the bias follows
};

template <class T>
struct ChainRun {
  ChainPart<T> links[kMostChainLinks];
  size_t depth;
  const T* x;
  T* output;
  LossArgs<T> loss;
  size_t parameters;
  T* gradients;    // (blocks, parameters) in scratch
  double* losses;  // (blocks,) in scratch
  size_t slices, blocks;
  unsigned rows, log2_quads;  // of a slice: rows = kRowsAtOnce · 2^log2_quads
  unsigned stride;            // from feature to feature
  unsigned x_at, delta[2], row_loss;
  bool holds_weights;
};

template <class T>
struct ChainPlan {
  ChainRun<T> run;
  unsigned threads;
  size_t shared, scratch;  // bytes
};

// Elements from a feature to the next, such that vectors of four of neighbouring features have no bank
// conflicts.
constexpr size_t slice_stride(size_t rows) { return rows + kRowsAtOnce; }

template <class T>
size_t chain_parameters(const ChainArgs<T>& a, bool biases) {
  size_t count = 0;
  for (size_t l = 0; l < a.depth; ++l) {
    const ChainLayer<T>& layer = a.layers[l];
    count += (layer.weight ? layer.in * layer.out : 0) + (biases && layer.bias ? layer.out : 0);
  }
  return count;
}

template <class T>
bool keeps_s(const ChainLayer<T>& layer) {
  return layer.weight && slope_needs_input(layer.activation.kind);
}

template <class T>
size_t widest_delta(const ChainArgs<T>& a) {
  size_t widest = 0;
  for (size_t l = 0; l < a.depth; ++l) widest = a.layers[l].out > widest ? a.layers[l].out : widest;
  return widest;
}

// Features of a slice's arrays.
template <class T>
size_t chain_features(const ChainArgs<T>& a) {
  size_t features = a.layers[0].in + 2 * widest_delta(a);
  for (size_t l = 0; l < a.depth; ++l) features += (keeps_s(a.layers[l]) ? 2 : 1) * a.layers[l].out;
  return features;
}

// Most rows of a slice; 0: the chain is unsuitable for this kernel.
template <class T>
size_t most_slice(const ChainArgs<T>& a) {
  const size_t weights = chain_parameters(a, false), features = chain_features(a);
  if (weights == 0 || weights > kMostChainWeights || a.depth > kMostChainLinks) return 0;
  if (a.layers[0].in > kMostChainInput || widest_delta(a) > kMostChainWidth) return 0;
  size_t rows = kMostSlice;
  while (rows >= kLeastSlice && features * slice_stride(rows) > kSliceElements) rows /= 2;
  return rows < kLeastSlice ? 0 : rows;
}

// Slices grow with the batch once there is one for every block.
inline size_t slice_rows(size_t batch, size_t blocks, size_t most) {
  size_t rows = kGoodSlice;
  while (rows < most && rows * blocks < batch) rows *= 2;
  return rows < most ? rows : most;
}

// Of one parameter's gradients, and the losses, for the most blocks of a batch of at most these rows.
template <class T>
size_t chain_scratch(const ChainArgs<T>& a, unsigned char* memory, ChainRun<T>& run) {
  const size_t most = ceil_divide(a.loss.rows, kLeastSlice);
  const size_t blocks = most < kMostChainBlocks ? most : kMostChainBlocks;
  Scratch scratch = {memory};
  run.losses = scratch.take<double>(blocks);
  run.gradients = scratch.take<T>(blocks * chain_parameters(a, true));
  return scratch.bytes;
}

template <class T>
void share_out(const ChainArgs<T>& a, ChainRun<T>& run) {
  const size_t rows = a.loss.rows, most = most_slice(a), products = rows * chain_parameters(a, false);
  const bool one = rows <= kRowsOfOneBlock && products <= kProductsOfOneBlock;
  run.rows = unsigned(slice_rows(rows, one ? 1 : kMostChainBlocks, most));
  run.log2_quads = log2_up(run.rows / kRowsAtOnce);
  run.stride = unsigned(slice_stride(run.rows));
  run.slices = ceil_divide(rows, run.rows);
  run.blocks = one ? 1 : run.slices < kMostChainBlocks ? run.slices : kMostChainBlocks;
}

// `available` is the shared memory limit of a block, in bytes.
template <class T>
ChainPlan<T> chain_plan(const ChainArgs<T>& a, size_t available, unsigned char* memory) {
  ChainPlan<T> plan{};
  ChainRun<T>& run = plan.run;
  plan.scratch = chain_scratch(a, memory, run);
  share_out(a, run);
  run.depth = a.depth, run.x = a.x, run.output = a.output, run.loss = a.loss;
  run.parameters = chain_parameters(a, true);
  size_t used = 0, parameter = 0;
  const auto take = [&](size_t count) {
    const size_t at = used;
    used += count;
    return unsigned(at);
  };
  run.row_loss = take(run.rows * sizeof(double) / sizeof(T));
  run.x_at = take(a.layers[0].in * run.stride);
  for (unsigned& delta : run.delta) delta = take(widest_delta(a) * run.stride);
  for (size_t l = 0; l < a.depth; ++l) {
    ChainPart<T>& part = run.links[l];
    part.layer = a.layers[l];
    part.y = take(part.layer.out * run.stride);
    part.s = keeps_s(part.layer) ? take(part.layer.out * run.stride) : part.y;
    if (!part.layer.weight) part.s = l ? run.links[l - 1].y : run.x_at;
    part.parameter = unsigned(parameter);
    parameter += part.layer.weight ? part.layer.in * part.layer.out : 0;
    parameter += part.layer.bias ? part.layer.out : 0;
  }
  const size_t slice = used;
  for (size_t l = 0; l < a.depth; ++l) {
    ChainPart<T>& part = run.links[l];
    if (part.layer.weight) part.weight = take(part.layer.out * (part.layer.in | 1));
    if (part.layer.bias) part.bias = take(part.layer.out);
  }
  run.holds_weights = used * sizeof(T) <= available;
  plan.shared = (run.holds_weights ? used : slice) * sizeof(T);
  const size_t items = widest_delta(a) << run.log2_quads;
  plan.threads = items < kLeastChainThreads  ? kLeastChainThreads
                 : items > kMostChainThreads ? kMostChainThreads
                                             : 1u << log2_up(items);
  return plan;
}

}  // namespace bpnet::cuda
