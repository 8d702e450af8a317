// The lecture's loop over a chain of layers of at most kVectors vectors each: activations and δ stay in
// registers, the weights in the first-level cache, padded with zeros.
//
// The first layer's weights are stored by inputs, a row of outputs each, since its Wᵀδ is not needed. Those
// of the others are stored by outputs, so Wᵀδ needs no sums over lanes. A layer of one output has it in every
// lane.
//
// The first layer's s of the next sample x' is started before this sample's update: with ρ = 1 − ηλ,
//
//   s' = ρ Wx' + ρ_b b − (η x·x' + η_b) δ
//
// so one step depends on the previous one only through δ. The same in real arithmetic; not done in blocks of
// 1.
#pragma once

#include "bpnet/kernels/cpu/activation.h"
#include "bpnet/kernels/cpu/base/row_sums.h"
#include "bpnet/kernels/cpu/chain/online_sample.h"

namespace {

constexpr size_t kSmallVectors = BPNET_VECTOR_BYTES == 64 ? 2 : 4;  // of the widest layer
constexpr size_t kSmallBytes = size_t{1} << 15;  // of all weights: they fit into the first-level cache

template <size_t kVectors>
using Wide = vec[kVectors];

// All arrays are rows of kVectors vectors.
struct SmallLayer {
  const OnlineLayer* layer;
  size_t rows;         // of weight: inputs of the first layer, outputs of the others up to whole vectors
  size_t out_vectors;  // those that hold outputs
  real* weight;        // (rows,), or null
  real* bias;
  real* in_mask;  // all bits set where there is an input
  real *input, *s, *x, *delta;
  real weight_keep, bias_keep;  // ρ
  real weight_rate, bias_rate;  // η; without a bias 0
};

template <size_t kVectors>
inline Wide<kVectors>* wide(real* rows) {
  return reinterpret_cast<Wide<kVectors>*>(rows);
}

inline size_t small_rows(const Online& a, size_t l) {
  return l ? whole_vectors(a.layers[l].out) : a.layers[l].in;
}

// The chain's width in vectors; 0: too wide or too large for the small loop.
inline size_t small_vectors(const Online& a) {
  size_t widest = 0, rows = 0;
  for (size_t l = 0; l < a.depth; ++l) {
    widest = larger(widest, ceil_divide(a.layers[l].out, kLanes));
    rows += small_rows(a, l);
  }
  const size_t vectors = widest > 1 ? kSmallVectors : 1;
  const bool fits = widest <= kSmallVectors && rows * vectors * sizeof(vec) <= kSmallBytes;
  return fits && a.layers[0].weight && is_plain(a.update) ? vectors : 0;
}

inline SmallLayer small_layer(Scratch& scratch, const Online& a, size_t l, size_t vectors) {
  const OnlineLayer& from = a.layers[l];
  const auto take = [&](size_t rows) { return scratch.take<real>(rows * vectors * kLanes); };
  SmallLayer layer = {};
  layer.layer = &from;
  layer.rows = small_rows(a, l);
  layer.out_vectors = ceil_divide(from.out, kLanes);
  real* const weight = take(layer.rows);
  layer.weight = from.weight ? weight : nullptr;
  layer.bias = take(1);
  layer.in_mask = take(1);
  layer.input = take(1);
  layer.s = take(1);
  layer.x = take(1);
  layer.delta = take(1);
  layer.weight_rate = real(from.weight_rate);
  layer.bias_rate = from.bias ? real(from.bias_rate) : real(0);
  layer.weight_keep = real(1 - from.weight_rate * from.weight_decay);
  layer.bias_keep = real(1 - from.bias_rate * from.bias_decay);
  return layer;
}

inline size_t small_workspace(const Online& a, size_t vectors) {
  Scratch scratch = {nullptr};
  scratch.take<SmallLayer>(a.depth);
  for (size_t l = 0; l < a.depth; ++l) small_layer(scratch, a, l, vectors);
  return scratch.bytes;
}

// visit(weight (j, i), where it is stored, how many copies). A first layer of one output has it in each lane.
template <class Visit>
inline void visit_weights(const SmallLayer& layer, bool first, size_t stride, const Visit& visit) {
  const size_t in = layer.layer->in, out = layer.layer->out;
  for (size_t j = 0; layer.weight && j < out; ++j) {
    for (size_t i = 0; i < in; ++i) {
      real* const at = layer.weight + (first ? i * stride + j : j * stride + i);
      visit(layer.layer->weight[j * in + i], at, first && out == 1 ? kLanes : 1);
    }
  }
}

__attribute__((noinline)) SmallLayer* load_small(const Online& a, size_t vectors, unsigned char* memory) {
  __builtin_memset(memory, 0, small_workspace(a, vectors));
  Scratch scratch = {memory};
  SmallLayer* const layers = scratch.take<SmallLayer>(a.depth);
  for (size_t l = 0; l < a.depth; ++l) {
    const OnlineLayer& from = a.layers[l];
    const SmallLayer to = layers[l] = small_layer(scratch, a, l, vectors);
    visit_weights(to, l == 0, vectors * kLanes, [](real weight_now, real* at, size_t copies) {
      for (size_t c = 0; c < copies; ++c) at[c] = weight_now;
    });
    for (size_t j = 0; from.bias && j < from.out; ++j) {
      for (size_t c = 0; c < (from.out == 1 ? kLanes : 1); ++c) to.bias[j + c] = from.bias[j];
    }
    if (l) __builtin_memset(to.in_mask, 0xFF, from.in * sizeof(real));
  }
  return layers;
}

__attribute__((noinline)) void store_small(const Online& a, size_t vectors, const SmallLayer* layers) {
  for (size_t l = 0; l < a.depth; ++l) {
    visit_weights(layers[l], l == 0, vectors * kLanes,
                  [](real& weight, const real* at, size_t) { weight = *at; });
    for (size_t j = 0; a.layers[l].bias && j < a.layers[l].out; ++j) a.layers[l].bias[j] = layers[l].bias[j];
  }
}

// s = W x of the first layer
template <size_t kVectors>
__attribute__((always_inline)) inline void first_product(const SmallLayer& first, const real* x,
                                                         Wide<kVectors>& s) {
  Wide<kVectors> odd = {};
#pragma GCC unroll 4
  for (size_t v = 0; v < kVectors; ++v) s[v] = vec{};
  size_t i = 0;
  for (; i + 2 <= first.rows; i += 2) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) {
      s[v] += splat(x[i]) * wide<kVectors>(first.weight)[i][v];
      odd[v] += splat(x[i + 1]) * wide<kVectors>(first.weight)[i + 1][v];
    }
  }
#pragma GCC unroll 4
  for (size_t v = 0; v < kVectors; ++v) {
    if (i < first.rows) s[v] += splat(x[i]) * wide<kVectors>(first.weight)[i][v];
    s[v] += odd[v];
  }
}

// s = W h + b of a layer stored by outputs
template <size_t kVectors>
__attribute__((always_inline)) inline void rows_product(const SmallLayer& layer, const Wide<kVectors>& h,
                                                        Wide<kVectors>& s) {
  if (layer.layer->out == 1) {
    // The bias is added before the sum, an equal part in each lane, instead of after it.
    vec sum =
        wide<kVectors>(layer.weight)[0][0] * h[0] + wide<kVectors>(layer.bias)[0][0] * (real(1) / kLanes);
#pragma GCC unroll 4
    for (size_t v = 1; v < kVectors; ++v) sum += wide<kVectors>(layer.weight)[0][v] * h[v];
    s[0] = sum_everywhere(sum);
    return;
  }
#pragma GCC unroll 4
  for (size_t group = 0; group < kVectors; ++group) {
    if (group >= layer.out_vectors) break;
    const Wide<kVectors>* row = wide<kVectors>(layer.weight) + group * kLanes;
    vec part[kLanes];
#pragma GCC unroll 16
    for (size_t j = 0; j < kLanes; ++j) {
      part[j] = row[j][0] * h[0];
#pragma GCC unroll 4
      for (size_t v = 1; v < kVectors; ++v) part[j] += row[j][v] * h[v];
    }
    s[group] = sum_rows(part) + wide<kVectors>(layer.bias)[0][group];
  }
}

// layer.x = θ(layer.s); `s` is layer.s too
template <size_t kVectors>
__attribute__((always_inline)) inline void small_activate(const SmallLayer& layer, const Wide<kVectors>& s,
                                                          Wide<kVectors>& x) {
  const ActivationKind kind = layer.layer->activation.kind;
  const bool general =
      kind != ActivationKind::kTanh && kind != ActivationKind::kRelu && kind != ActivationKind::kIdentity;
  if (general) {
    activate(layer.layer->activation, layer.out_vectors * kLanes, layer.s, layer.x);
  }
#pragma GCC unroll 4
  for (size_t v = 0; v < kVectors; ++v) {
    if (v >= layer.out_vectors) {
      x[v] = vec{};
    } else if (kind == ActivationKind::kTanh) {
      x[v] = tanh_of(s[v]);
    } else if (kind == ActivationKind::kRelu) {
      x[v] = s[v] < 0 ? vec{} : s[v];
    } else {
      x[v] = general ? wide<kVectors>(layer.x)[0][v] : s[v];
    }
  }
}

// delta *= θ', with the layer's x
template <size_t kVectors>
__attribute__((always_inline)) inline void small_slope(const SmallLayer& layer, const Wide<kVectors>& x,
                                                       Wide<kVectors>& delta) {
  const ActivationKind kind = layer.layer->activation.kind;
  if (kind == ActivationKind::kTanh) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) delta[v] *= 1 - x[v] * x[v];
  } else if (kind == ActivationKind::kRelu) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) delta[v] = x[v] > 0 ? delta[v] : vec{};
  } else if (kind != ActivationKind::kIdentity) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) wide<kVectors>(layer.delta)[0][v] = delta[v];
    activate_backward(layer.layer->activation, layer.out_vectors * kLanes, layer.s, layer.x, layer.delta,
                      layer.delta);
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) delta[v] = wide<kVectors>(layer.delta)[0][v];
  }
}

// Of a layer stored by outputs: delta becomes Wᵀδ with the weights before the update; W ← ρW − η δ xᵀ.
template <size_t kVectors>
__attribute__((always_inline)) inline void rows_backward(const SmallLayer& layer, Wide<kVectors>& delta) {
  const real keep = layer.weight_keep, rate = layer.weight_rate;
#pragma GCC unroll 4
  for (size_t v = 0; v < kVectors; ++v) {
    wide<kVectors>(layer.delta)[0][v] = delta[v];
    wide<kVectors>(layer.bias)[0][v] =
        layer.bias_keep * wide<kVectors>(layer.bias)[0][v] - layer.bias_rate * delta[v];
  }
  const bool one = layer.layer->out == 1;
  const vec only = delta[0];
#pragma GCC unroll 4
  for (size_t v = 0; v < kVectors; ++v) delta[v] = vec{};
  for (size_t j = 0; j < layer.layer->out; ++j) {
    const vec d = one ? only : splat(layer.delta[j]);
    const vec step = rate * d;
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) {
      const vec w = wide<kVectors>(layer.weight)[j][v];
      delta[v] += d * w;
      wide<kVectors>(layer.weight)[j][v] = keep * w - step * wide<kVectors>(layer.input)[0][v];
    }
  }
}

// W ← ρW − η δ xᵀ, b likewise, of the layer stored by inputs.
template <size_t kVectors>
__attribute__((always_inline)) inline void first_update(const SmallLayer& first, const real* x,
                                                        const Wide<kVectors>& delta) {
  Wide<kVectors> step;
#pragma GCC unroll 4
  for (size_t v = 0; v < kVectors; ++v) {
    step[v] = first.weight_rate * delta[v];
    wide<kVectors>(first.bias)[0][v] =
        first.bias_keep * wide<kVectors>(first.bias)[0][v] - first.bias_rate * delta[v];
  }
  for (size_t i = 0; i < first.rows; ++i) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) {
      wide<kVectors>(first.weight)[i][v] =
          first.weight_keep * wide<kVectors>(first.weight)[i][v] - splat(x[i]) * step[v];
    }
  }
}

// d loss / d output of the squared errors is a factor times x − y; 0: another loss.
inline real squared_factor(const Online& a) {
  switch (a.loss) {
    case LossKind::kHalfSquaredError: return 1;
    case LossKind::kSquaredError: return 2;
    case LossKind::kMse: return 2 / real(a.layers[a.depth - 1].out);
    default: return 0;
  }
}

// The loss of the last layer's x, which is `output` too, and δ before θ'.
template <size_t kVectors>
__attribute__((always_inline)) inline double small_loss(const Online& a, const OnlineSample& sample,
                                                        real factor, const SmallLayer& last,
                                                        const Wide<kVectors>& output, Wide<kVectors>& delta) {
  const size_t out = last.layer->out;
#pragma GCC unroll 4
  for (size_t v = 0; v < kVectors; ++v) delta[v] = vec{};
  if (out == 1 && factor != 0) {
    const vec e = output[0] - sample.target[0];
    delta[0] = factor == 1 ? e : factor * e;
    return double((factor == 1 ? real(0.5) : real(1)) * e[0] * e[0]);
  }
  const double value = online_loss(a, sample, last.x, last.delta);
  for (size_t j = out; j < last.out_vectors * kLanes; ++j) {
    last.delta[j] = out == 1 ? last.delta[0] : real(0);
  }
#pragma GCC unroll 4
  for (size_t v = 0; v < kVectors; ++v) {
    if (v < last.out_vectors) delta[v] = wide<kVectors>(last.delta)[0][v];
  }
  return value;
}

template <size_t kVectors>
OnlineResult small_sgd(bpnet::Context& context, const Online& a) {
  SmallLayer* const layers = load_small(a, kVectors, context.scratch);
  const SmallLayer &first = layers[0], &last = layers[a.depth - 1];
  const real factor = squared_factor(a);
  OnlineResult result = {};
  Wide<kVectors> s = {}, ahead = {};  // of the first layer: s, and Wx of the next sample
  bool begun = false;                 // s is that of the current sample
  for (; result.steps < a.count; ++result.steps) {
    const OnlineSample sample = online_sample(a, result.steps);
    if (!begun) {
      first_product(first, sample.x, s);
#pragma GCC unroll 4
      for (size_t v = 0; v < kVectors; ++v) s[v] += wide<kVectors>(first.bias)[0][v];
    }
    const bool looks_ahead = a.block != 1 && result.steps + 1 < a.count;
    real product = 0;  // x·x'
    if (looks_ahead) {
      const real* const next = online_sample(a, result.steps + 1).x;
      first_product(first, next, ahead);
      for (size_t i = 0; i < first.rows; ++i) product += sample.x[i] * next[i];
    }

    Wide<kVectors> h = {};
    for (size_t l = 0; l < a.depth; ++l) {
      const SmallLayer& layer = layers[l];
      if (l) {
#pragma GCC unroll 4
        for (size_t v = 0; v < kVectors; ++v) {
          h[v] = vec(ivec(h[v]) & ivec(wide<kVectors>(layer.in_mask)[0][v]));
          wide<kVectors>(layer.input)[0][v] = s[v] = h[v];
        }
        if (layer.weight) rows_product(layer, h, s);
      }
#pragma GCC unroll 4
      for (size_t v = 0; v < kVectors; ++v) wide<kVectors>(layer.s)[0][v] = s[v];
      small_activate(layer, s, h);
#pragma GCC unroll 4
      for (size_t v = 0; v < kVectors; ++v) wide<kVectors>(layer.x)[0][v] = h[v];
    }

    const bool correct = sample_is_correct(a, sample, last.x);
    begun = false;
    if (sample.weight == 0) {
      result.correct += correct;
      continue;
    }
    Wide<kVectors> delta;
    if (!count_loss(result, sample, small_loss(a, sample, factor, last, h, delta))) break;
    result.correct += correct;

    for (size_t l = a.depth; l-- > 1;) {
      small_slope(layers[l], h, delta);
      if (layers[l].weight) rows_backward(layers[l], delta);
      if (layers[l].layer->in == 1) delta[0] = splat(delta[0][0]);
#pragma GCC unroll 4
      for (size_t v = 0; v < kVectors; ++v) h[v] = wide<kVectors>(layers[l - 1].x)[0][v];
    }
    small_slope(first, h, delta);
    // A rate of 0 stays 0 beside a product that overflowed.
    const real share = (first.weight_rate == 0 ? 0 : first.weight_rate * product) + first.bias_rate;
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) {
      s[v] = first.weight_keep * ahead[v] + first.bias_keep * wide<kVectors>(first.bias)[0][v] -
             share * delta[v];
    }
    begun = looks_ahead;
    first_update(first, sample.x, delta);
  }
  store_small(a, kVectors, layers);
  return result;
}

}  // namespace
