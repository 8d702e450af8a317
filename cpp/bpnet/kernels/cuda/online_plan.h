// Where the block of an online run stores its arrays: as much as fits in its shared memory for the whole
// launch, else in the caller's arrays or in scratch. Results do not depend on it.
#pragma once

#include "bpnet/kernels/cuda/block.h"
#include "bpnet/kernels/cuda/rows.h"
#include "bpnet/kernels/cuda/scratch.h"

namespace bpnet::cuda {

constexpr unsigned kMostPlanes = 3;  // a parameter and the rule's two slots
constexpr size_t kNowhere = ~size_t{0};

// Weights (out, in) or a bias (1, out), with the slots of its rule beside it. Row r of plane p is in shared
// memory at held_at + (p · held_rows + r) · stride where r is below held_rows; else in the caller's array.
template <class T>
struct OnlineParameter {
  T* given[kMostPlanes];  // null: it has none
  size_t rows, columns;
  size_t held_at, held_rows, stride;  // in elements of the block's array
  unsigned planes;                    // that are held
  double rate, decay;
  bool frozen;
};

// Forward 2^log2_lanes lanes of a warp share a row; backward each of 2^log2_width threads has some columns,
// in `parts` of `rows_of_part` rows.
template <class T>
struct OnlineLink {
  size_t in, out;
  Activation activation;
  OnlineParameter<T> weight, bias;
  unsigned log2_lanes, log2_width, parts;
  size_t rows_of_part;
  size_t at;  // s, y and δ (out,) each, among the activations
};

// Offsets in the block's array of T in shared memory; kNowhere: not there.
template <class T>
struct OnlineRun {
  const OnlineLink<T>* links;  // (depth,) in scratch
  size_t depth;
  unsigned char* rules;  // in scratch: of links (depth, 2)
  T* activations;        // in scratch
  size_t links_at, rules_at, activations_at, sample_at;
  size_t partial_at, verdict_at;  // among the activations
  LossArgs<T> loss;               // of one row; for kind, parameter, columns, class weights
  const T *x, *target;
  const int64_t* label;
  const T* sample_weight;
  const uint64_t* order;
  size_t count;
  UpdateArgs update;
  uint64_t step;
  Sums* sums;
};

// The launch: `run` is complete except for the kernel.
template <class T>
struct OnlinePlan {
  OnlineRun<T> run;
  unsigned threads;
  size_t shared;   // bytes
  size_t scratch;  // bytes
};

constexpr size_t kLeastOnlineThreads = kWarp, kMostOnlineThreads = 512;
// Weights per thread of the largest layer below which more warps do not pay, because of the cost of barriers.
constexpr size_t kWeightsOfThread = 16;
constexpr size_t kRowsOfPart = 16;  // at least, of the backward pass
// With more links, or activations or samples larger than these bytes, they are not kept in shared memory.
constexpr size_t kMostHeldLinks = 48, kMostHeldActivations = size_t{1} << 15,
                 kMostHeldSample = size_t{1} << 14;
constexpr size_t kBytesOfRule = 80;  // at least those of any rule

template <class T>
unsigned online_threads(const OnlineArgs<T>& a) {
  size_t most = 0;
  for (size_t l = 0; l < a.depth; ++l) {
    const size_t in = a.layers[l].in, out = a.layers[l].out;
    const size_t work = (a.layers[l].weight ? in * out : out) / kWeightsOfThread;
    most = work > most ? work : most;
  }
  if (most >= kMostOnlineThreads) return kMostOnlineThreads;
  const size_t threads = size_t{1} << log2_up(most);
  return unsigned(threads < kLeastOnlineThreads ? kLeastOnlineThreads : threads);
}

// Lanes per row such that they read a whole sector of memory at once, with as many rows at a time as the
// block has threads for.
inline unsigned log2_lanes(size_t in, size_t out, size_t threads, size_t element) {
  const size_t sector = 32 / element;
  size_t lanes = kWarp;
  while (lanes > sector && lanes * out > threads) lanes /= 2;
  return log2_up(in < lanes ? in : lanes);
}

template <class T>
OnlineLink<T> online_link(const OnlineLayer<T>& layer, size_t threads, unsigned slots, size_t at) {
  OnlineLink<T> link{};
  link.at = at;
  link.in = layer.in, link.out = layer.out, link.activation = layer.activation;
  link.weight = {{layer.weight, layer.weight_slots[0], layer.weight_slots[1]},
                 layer.out,
                 layer.in,
                 0,
                 0,
                 0,
                 layer.weight_frozen ? 1 : 1 + slots,
                 layer.weight_rate,
                 layer.weight_decay,
                 layer.weight_frozen};
  link.bias = {{layer.bias, layer.bias_slots[0], layer.bias_slots[1]},
               1,
               layer.out,
               0,
               0,
               0,
               layer.bias_frozen ? 1 : 1 + slots,
               layer.bias_rate,
               layer.bias_decay,
               layer.bias_frozen};
  link.log2_lanes = log2_lanes(layer.in, layer.out, threads, sizeof(T));
  link.log2_width = log2_up(layer.in < threads ? layer.in : threads);
  const size_t most = threads >> link.log2_width, wanted = layer.out / kRowsOfPart;
  link.parts = unsigned(wanted < 1 ? 1 : wanted < most ? wanted : most);
  link.rows_of_part = ceil_divide(layer.out, link.parts);
  return link;
}

// Slices of the block's array, while space is left.
struct SharedSlices {
  size_t available, element;  // bytes
  size_t used = 0;            // elements

  size_t left() const { return available / element - used; }  // elements
  size_t take(size_t bytes) {                                 // of a multiple of 16, or none
    const size_t count = (bytes + 15) / 16 * (16 / element);
    if (count > left()) return kNowhere;
    used += count;
    return used - count;
  }
};

// Holds as many rows as fit. Their stride is such that lanes that read several of them at once have no bank
// conflicts.
template <class T>
void hold(OnlineParameter<T>& parameter, unsigned lanes, SharedSlices& slices) {
  if (!parameter.given[0]) return;
  constexpr size_t kBanks = 128 / sizeof(T);
  const size_t beyond = parameter.columns % kBanks, wanted = lanes % kBanks;
  parameter.stride = parameter.columns;
  if (parameter.rows > 1) parameter.stride += (wanted + kBanks - beyond) % kBanks;
  const size_t each = parameter.stride * parameter.planes;
  const size_t most = slices.left() / each;
  parameter.held_rows = most < parameter.rows ? most : parameter.rows;
  parameter.held_at = slices.used;
  slices.used += parameter.held_rows * each;
}

// The links of a chain that is not too deep for shared memory.
template <class T>
struct HeldLinks {
  OnlineLink<T> links[kMostHeldLinks];
};

template <class T>
size_t online_values(const OnlineArgs<T>& a) {
  size_t values = 0;
  for (size_t l = 0; l < a.depth; ++l) values += 3 * a.layers[l].out;
  return values;
}

// The arrays in scratch memory; without memory its bytes are counted.
template <class T>
OnlinePlan<T> online_scratch(const OnlineArgs<T>& a, unsigned char* memory) {
  OnlinePlan<T> plan{};
  plan.threads = online_threads(a);
  Scratch scratch = {memory};
  plan.run.links = scratch.take<OnlineLink<T>>(a.depth);
  plan.run.rules = scratch.take<unsigned char>(2 * kBytesOfRule * a.depth);
  plan.run.activations = scratch.take<T>(online_values(a) + plan.threads + 1);
  plan.scratch = scratch.bytes;
  return plan;
}

// `available` is the shared memory limit of a block, in bytes. Of a deep chain no parameters are held.
template <class T>
OnlinePlan<T> online_plan(const OnlineArgs<T>& a, unsigned slots, size_t available, unsigned char* memory,
                          HeldLinks<T>& held) {
  OnlinePlan<T> plan = online_scratch(a, memory);
  OnlineRun<T>& run = plan.run;
  const OnlineLayer<T>& last = a.layers[a.depth - 1];
  SharedSlices slices = {available, sizeof(T)};
  const bool few = a.depth <= kMostHeldLinks;
  run.links_at = few ? slices.take(a.depth * sizeof(OnlineLink<T>)) : kNowhere;
  run.rules_at = few ? slices.take(2 * kBytesOfRule * a.depth) : kNowhere;
  run.partial_at = online_values(a), run.verdict_at = run.partial_at + plan.threads;
  const size_t activations = (run.verdict_at + 1) * sizeof(T);
  run.activations_at = activations <= kMostHeldActivations ? slices.take(activations) : kNowhere;
  const size_t sample = 2 * (a.layers[0].in + last.out) * sizeof(T);
  run.sample_at = sample <= kMostHeldSample ? slices.take(sample) : kNowhere;

  for (size_t l = 0, at = 0; few && l < a.depth; at += 3 * a.layers[l].out, ++l) {
    held.links[l] = online_link(a.layers[l], plan.threads, slots, at);
    hold(held.links[l].bias, 1, slices);
  }
  // An inner layer's weights are read twice per sample, those of the first once.
  for (size_t l = few ? a.depth : 0; l-- > 0;)
    hold(held.links[l].weight, 1u << held.links[l].log2_lanes, slices);
  plan.shared = slices.used * sizeof(T);

  run.depth = a.depth;
  run.loss.kind = a.loss, run.loss.parameter = a.loss_parameter;
  run.loss.rows = 1, run.loss.columns = last.out, run.loss.class_weight = a.class_weight;
  run.x = a.x, run.target = a.target, run.label = a.label, run.sample_weight = a.sample_weight;
  run.order = a.order, run.count = a.count;
  run.update = a.update, run.step = a.step, run.sums = a.sums;
  return plan;
}

}  // namespace bpnet::cuda
