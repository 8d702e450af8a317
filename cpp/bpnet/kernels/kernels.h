// The kernel table: all the arithmetic of bpnet, one row per operation, one table per backend.
//
// Letters: n = samples in the batch, in / out = features. Matrices are row-major and dense.
// Gradients are overwritten (=); those of parameters are added to (+=) where `accumulate` says so.
// Pointers need only the alignment of their element. `x` and `y` of an elementwise operation may be
// the same array.
//
// Structs, and the lists of layers in them, are in the host's memory. Every array of T, labels, an order, and
// the target of a pointer to a number or to Sums, RandomStep or UpdateStep is in the backend's memory.
//
// This header is included by the per-ISA objects, so it holds plain structs and no functions.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bpnet/core/random.h"

namespace bpnet {

// The arithmetic of float32's products and convolutions.
enum class Precision : int {
  kFull,
  kTf32,  // factors rounded to 10 bits of mantissa, sums in float32: the tensor cores of GPUs from sm_80 on
  kBfloat16,  // factors rounded to 7 bits of mantissa, sums in float32: AMX and AVX-512 of processors
};

// Scratch memory of one network, allocated once and shared by the operations that run one after another. It
// is allocated for the largest batch and used for every smaller one: no *_workspace shrinks as the batch
// grows, the other sizes being the same.
struct Context {
  unsigned char* scratch;  // 64-byte aligned
  size_t scratch_size;     // bytes, at least what the operation's *_workspace said
  int device = 0;          // Memory::device()
  Precision precision = Precision::kFull;
  bool winograd = false;  // 3 × 3 convolutions by Winograd's minimal filtering, where the backend has it
};

enum class ActivationKind : int {
  kIdentity,
  kTanh,
  kRelu,
  kLeakyRelu,  // parameter: slope of the negative side
  kSigmoid,
  kSoftplus,  // parameter: beta; log(1 + exp(beta s)) / beta
  kGelu,      // s Φ(s)
  kGeluTanh,  // Φ by its tanh approximation (Hendrycks and Gimpel 2016)
  kSilu,      // s sigmoid(s)
};

struct Activation {
  ActivationKind kind;
  double parameter;
};

struct LinearSizes {
  size_t n, in, out;
};

// One axis of a window that slides over a map: output o reads the inputs o·stride + t·dilation − before, t =
// 0 … kernel−1. Those below 0 or from `in` on are padding.
struct WindowAxis {
  size_t in, out, kernel, stride, dilation, before;
};

// Images are stored channels-last: (n, height, width, channels). Channels are divided into groups, each of
// which reads only its inputs.
struct ConvolutionSizes {
  size_t n;
  WindowAxis height, width;
  size_t channels, out_channels, groups;
};

struct PoolSizes {
  size_t n;
  WindowAxis height, width;
  size_t channels;
};

// The divisor of a mean over a window, and the window's inputs.
enum class AverageKind : int {
  kWithPadding,     // the window's size, padding of `before` on either side included
  kWithoutPadding,  // the number of its inputs
  kAdaptive,        // the same, of the window from ⌊o in / out⌋ to ⌈(o+1) in / out⌉
};

// The window covers size/2 (rounded down) elements before the element and (size−1)/2 after it; those beyond
// the group of channels, or the map, are 0.
struct LocalResponseSizes {
  size_t n, height, width, channels;
  size_t groups;    // of channels, each normalised separately
  size_t size;      // of the window
  bool within_map;  // over size × size positions of one channel, rather than over channels
  double alpha, beta, k;
};

template <class T>
struct BatchNormArgs {
  size_t rows, columns;  // one mean and variance for each column
  double epsilon;
  const T* x;         // (rows, columns)
  const T* mean;      // (columns,)
  const T* variance;  // (columns,)
  const T* weight;    // (columns,) or null: 1
  const T* bias;      // (columns,) or null: 0
};

// Follows the statistics of batches: running = (1 − momentum) running + momentum · (the batch's), with the
// variance that divides by rows − 1; batches += 1. Cumulative: momentum is 1 / batches, this one counted.
template <class T>
struct RunningStatistics {
  double momentum;
  bool cumulative;
  T* mean;      // (columns,)
  T* variance;  // (columns,)
  T* batches;   // (1,)
};

// Columns of a wider matrix: row r of x begins at x + r · x_stride, of y at y + r · y_stride.
struct ColumnSizes {
  size_t rows, columns;
  size_t x_stride, y_stride;
};

enum class LossKind : int {
  kHalfSquaredError,  // ½ Σ_j (x_j − y_j)², the lecture's error; delta x − y
  kSquaredError,      // Σ_j (x_j − y_j)²
  kMse,               // mean_j (x_j − y_j)²
  kMae,               // mean_j |x_j − y_j|, derivative 0 at 0
  kHuber,             // mean_j ½d² where |d| ≤ delta, else delta (|d| − ½ delta); parameter: delta
  kCrossEntropy,      // −Σ_c q_c log softmax(x)_c; parameter: label smoothing
  // max(x_j, 0) − x_j y_j + log(1 + exp(−|x_j|)); parameter: 1 for its mean over the outputs j, 0 for its sum
  kBinaryCrossEntropyWithLogits,
  kCustom,  // a function of the user's, on the host: no kernel computes it
};

// Sums over the steps of a slice. The host reads it once per slice, so it need not wait for a device at every
// step: once a loss was not finite nothing more is counted or updated.
struct Sums {
  double loss;          // Σ weight · loss, each before its update
  double weight;        // Σ weight
  uint64_t correct;     // correct samples: see Kernels::judge
  uint64_t steps;       // batches, or samples of an online run
  double batch_loss;    // of the last batch
  double batch_weight;  // Σ of its samples' weights
  uint64_t batch_correct;
  uint64_t updates;      // whether the last batch is learned from: its loss is finite and its weight above 0
  uint64_t stopped;      // 1 after a loss or a norm of the gradients that was not finite,
  double stopping_loss;  // where the loss was this
};

// The key of a step's random masks, so that a recorded step can be replayed.
struct RandomStep {
  uint64_t seed;
  uint64_t step;
  uint64_t first_row;  // of this batch among the rows of all batches that make the step together
};

// The arguments of an update that change from step to step.
struct UpdateStep {
  double lr;                        // the schedule's
  double correction1, correction2;  // of Adam: 1 − beta1^t, 1 − beta2^t; t counts from 1
};

enum class DataType : int { kFloat32, kFloat64, kUint8 };

// Rows of a data set, gathered and as T. Arrays that the data does not have are null, and so are their
// outputs.
template <class T>
struct GatherArgs {
  const void* x;  // (samples, features) of x_type
  DataType x_type;
  size_t features, outputs;
  const T* targets;        // (samples, outputs) or null
  const int64_t* labels;   // (samples,) or null
  const T* sample_weight;  // (samples,) or null
  const uint64_t* order;   // (rows,) which samples; null: the first ones
  size_t rows;
  T* x_out;        // (rows, features)
  T* targets_out;  // (rows, outputs)
  int64_t* labels_out;
  T* sample_weight_out;
};

// The weights of a batch's rows. Weight of row r: sample_weight[r] · class_weight[label[r]], 1 where there is
// none.
template <class T>
struct RowWeights {
  size_t rows;
  const T* sample_weight;  // (rows,) or null
  const int64_t* label;    // (rows,) or null
  const T* class_weight;   // (classes,) or null
};

// How a batch counts in Sums.
enum class Tally : int {
  kTraining,    // batch_loss is a mean; a loss that is not finite stops
  kUnchecked,   // the same, but nothing stops
  kEvaluation,  // batch_loss is a sum
};

// The loss of a batch is Σ_r row_scale[r] loss_r, where row_scale holds each sample's weight divided
// by the sum of all weights. Cross-entropy's q = class_weight · ((1 − ε) target + ε / columns).
template <class T>
struct LossArgs {
  LossKind kind;
  double parameter;
  size_t rows, columns;
  const T* output;        // (rows, columns) the network's outputs; logits for the cross-entropies
  const T* target;        // (rows, columns), or null when labels are given
  const int64_t* label;   // (rows,) class indices, or null when targets are given
  const T* class_weight;  // (columns,) or null
  const T* row_scale;     // (rows,)
  T* grad_output;         // (rows, columns) = d loss / d output; null when not needed
  double* loss;           // (1,) the loss, written
};

struct FlatRange {  // of a flat array
  size_t offset, count;
};

// Gradients that are clipped before an update, in place: each element to −value … value first, then all by
// min(1, norm / (‖g‖ + 10⁻⁶)), where ‖g‖ is the square root of the sum of all squares.
template <class T>
struct ClipArgs {
  T* grad;
  const FlatRange* ranges;  // (count,) in the host's memory: what of grad is clipped
  size_t count;
  double value, norm;  // 0: without this one
};

struct SgdArgs {
  double lr, momentum, weight_decay;
  bool nesterov;
  bool lr_in_velocity = false;
};

struct AdamArgs {
  double lr, beta1, beta2, epsilon, weight_decay;
  bool decoupled;                   // AdamW: decay the weights, not the gradient
  double correction1, correction2;  // 1 − beta1^t, 1 − beta2^t
};

struct RmspropArgs {
  double lr, alpha, epsilon, weight_decay, momentum;
};

enum class UpdateKind : int { kSgd, kAdam, kRmsprop };

// An update rule: the one of the three that `kind` names. Its learning rate and corrections are the step's:
// Kernels::update takes them from an UpdateStep.
struct UpdateArgs {
  UpdateKind kind;
  double rate;  // times the schedule's learning rate where `scheduled`; else itself the rate
  bool scheduled;
  SgdArgs sgd;
  AdamArgs adam;
  RmspropArgs rmsprop;
};

// One link of an online chain: y = act(W x + b). Without weights: y = act(x), in = out.
template <class T>
struct OnlineLayer {
  size_t in, out;
  Activation activation;
  T* weight;                        // (out, in), or null
  T* bias;                          // (out,), or null
  double weight_rate, bias_rate;    // learning rate times the parameter's multiplier
  double weight_decay, bias_decay;  // the rule's, or 0
  bool weight_frozen,
      bias_frozen;     // unchanged, with their slots; plain SGD ignores it, since the rate is then 0
  T* weight_slots[2];  // the rule's state, each as large as the parameter; null where it has none
  T* bias_slots[2];
};

// Gradient descent one sample at a time: forward, backward, update for each sample of `order` in turn, each
// layer's δ propagated through the weights before their update.
template <class T>
struct OnlineArgs {
  const OnlineLayer<T>* layers;
  size_t depth;
  LossKind loss;
  double loss_parameter;
  const T* class_weight;   // (classes,) or null
  const T* x;              // (samples, in)
  const T* target;         // (samples, out) or null
  const int64_t* label;    // (samples,) or null
  const T* sample_weight;  // (samples,) or null; a sample of weight 0 is skipped
  const uint64_t* order;   // (count,) which samples, in which order
  size_t count;
  size_t block;       // most samples whose updates of the large layers are made together, by plain SGD: the
                      // same in real arithmetic, faster; 1: one by one, 0: the backend chooses
  UpdateArgs update;  // its rates, decays and corrections are replaced by each parameter's and step's
  uint64_t step;      // before the first sample
  Sums* sums;         // added to; once a loss was not finite the weights before its update are kept
};

// One link of a chain, y = act(W x + b) or without weights y = act(x), in = out, and its gradients.
template <class T>
struct ChainLayer {
  size_t in, out;
  Activation activation;
  const T* weight;  // (out, in), or null
  const T* bias;    // (out,), or null
  T* grad_weight;   // (out, in)
  T* grad_bias;     // (out,), or null
};

// A whole batch of a chain: its outputs, its loss, and the gradients of all parameters.
template <class T>
struct ChainArgs {
  const ChainLayer<T>* layers;
  size_t depth;
  const T* x;        // (rows, in)
  T* output;         // (rows, out)
  LossArgs<T> loss;  // of rows and output; without their addresses and the gradient's
};

// The arithmetic of one backend in float or double. Only the chain's, gather and response_pool_… may be null.
template <class T>
struct Kernels {
  // Bytes of Context::scratch that the three linear operations need for these sizes.
  size_t (*linear_workspace)(LinearSizes);
  // y (n, out) = act(x (n, in) · w (out, in)ᵀ + bias (out,)); bias may be null
  void (*linear_forward)(Context&, LinearSizes, const T* x, const T* w, const T* bias, Activation, T* y);
  // grad_x (n, in) = grad_y (n, out) · w (out, in)
  void (*linear_backward_input)(Context&, LinearSizes, const T* grad_y, const T* w, T* grad_x);
  // grad_w (out, in) = grad_yᵀ · x;  grad_bias (out,) = Σ_n grad_y, or null; += with `accumulate`
  void (*linear_backward_weight)(Context&, LinearSizes, const T* x, const T* grad_y, T* grad_w, T* grad_bias,
                                 bool accumulate);

  // Images are channels-last; weights are stored as PyTorch has them, (out, in/groups, kernel height, kernel
  // width). Letters: o, i = positions of output and input, g = the group of channel c, j = channel of the
  // group.
  size_t (*convolution_workspace)(const ConvolutionSizes&);
  // y (n, o, c) = act(Σ_tj x (n, o·stride + t·dilation − before, (g, j)) · w (c, j, t) + bias (c)); bias may
  // be null
  void (*convolution_forward)(Context&, const ConvolutionSizes&, const T* x, const T* w, const T* bias,
                              Activation, T* y);
  // grad_x (n, i, (g, j)) = Σ_oct grad_y (n, o, c) · w (c, j, t) over o·stride + t·dilation − before = i
  void (*convolution_backward_input)(Context&, const ConvolutionSizes&, const T* grad_y, const T* w,
                                     T* grad_x);
  // grad_w (c, j, t) = Σ_no grad_y (n, o, c) · x (n, o·stride + t·dilation − before, (g, j));
  // grad_bias (c) = Σ_no grad_y, or null; += with `accumulate`
  void (*convolution_backward_weight)(Context&, const ConvolutionSizes&, const T* x, const T* grad_y,
                                      T* grad_w, T* grad_bias, bool accumulate);

  // y = the largest input of each window; NaN where there is one
  void (*max_pool_forward)(Context&, const PoolSizes&, const T* x, T* y);
  // grad_x = Σ grad_y over the windows whose first largest input it is
  void (*max_pool_backward)(Context&, const PoolSizes&, const T* x, const T* y, const T* grad_y, T* grad_x);
  // y = Σ x over the window / divisor
  void (*average_pool_forward)(Context&, const PoolSizes&, AverageKind, const T* x, T* y);
  // grad_x = Σ grad_y / divisor over the windows that include it
  void (*average_pool_backward)(Context&, const PoolSizes&, AverageKind, const T* grad_y, T* grad_x);

  // s_i = k + alpha / m · Σ_j x_j² over the window of i of m = size or size² elements;  y = x s^−beta
  size_t (*local_response_workspace)(const LocalResponseSizes&);
  void (*local_response_forward)(Context&, const LocalResponseSizes&, const T* x, T* y);
  // grad_x_i = grad_y_i s_i^−beta − 2 alpha beta / m · x_i Σ_j grad_y_j x_j s_j^(−beta−1) over the j that see
  // i
  void (*local_response_backward)(Context&, const LocalResponseSizes&, const T* x, const T* grad_y,
                                  T* grad_x);

  // Local response over channels fused with a max pool of it, whose windows have at most 255 taps and no
  // dilation; `largest` (n, o, c) is the number of the tap that gave y, counted row by row. All three are
  // null in a backend without such a kernel.
  size_t (*response_pool_workspace)(const LocalResponseSizes&, const PoolSizes&);
  void (*response_pool_forward)(Context&, const LocalResponseSizes&, const PoolSizes&, const T* x, T* y,
                                uint8_t* largest);
  void (*response_pool_backward)(Context&, const LocalResponseSizes&, const PoolSizes&, const T* x,
                                 const uint8_t* largest, const T* grad_y, T* grad_x);

  size_t (*batch_norm_workspace)(size_t rows, size_t columns);
  // mean_c = Σ_r x_rc / rows;  variance_c = Σ_r (x_rc − mean_c)² / rows
  void (*batch_norm_statistics)(Context&, size_t rows, size_t columns, const T* x, T* mean, T* variance,
                                const RunningStatistics<T>&);
  // y = (x − mean) / √(variance + ε) · weight + bias
  void (*batch_norm_forward)(Context&, const BatchNormArgs<T>&, T* y);
  // Through the batch's statistics. With x̂ = (x − mean) / √(variance + ε): grad_bias = Σ_r grad_y;
  // grad_weight = Σ_r grad_y x̂;  grad_x = weight / √(variance + ε) (grad_y − (grad_bias + x̂ grad_weight) /
  // rows), these sums being the batch's alone. Gradients may be null; += with `accumulate`.
  void (*batch_norm_backward)(Context&, const BatchNormArgs<T>&, const T* grad_y, T* grad_x, T* grad_weight,
                              T* grad_bias, bool accumulate);

  // y = act(x), elementwise over count elements
  void (*activation_forward)(Context&, Activation, size_t count, const T* x, T* y);
  // grad_x = act'(x) · grad_y. x may be null for the kinds whose derivative is known from y.
  void (*activation_backward)(Context&, Activation, size_t count, const T* x, const T* y, const T* grad_y,
                              T* grad_x);

  // y_rc = exp(x_rc − max_c x_rc) / Σ_c exp(x_rc − max_c x_rc), row by row
  void (*softmax_forward)(Context&, size_t rows, size_t columns, const T* x, T* y);
  // grad_x_rc = y_rc (grad_y_rc − Σ_k grad_y_rk y_rk)
  void (*softmax_backward)(Context&, size_t rows, size_t columns, const T* y, const T* grad_y, T* grad_x);

  // mask (rows, columns) = scale where the element is kept, else 0; kept with probability keep.
  // Element (r, c) depends on seed, step, layer, first_row + r and c alone.
  void (*dropout_mask)(Context&, const RandomStep*, uint32_t layer, size_t rows, size_t columns, double keep,
                       double scale, T* mask);
  // y = a · b, elementwise
  void (*multiply)(Context&, size_t count, const T* a, const T* b, T* y);
  // y = a + b, elementwise
  void (*add)(Context&, size_t count, const T* a, const T* b, T* y);
  // y = factor · x
  void (*scale)(Context&, size_t count, double factor, const T* x, T* y);

  // y_rc = x_rc, or += with `accumulate`; x and y are two arrays
  void (*copy_columns)(Context&, const ColumnSizes&, const T* x, T* y, bool accumulate);
  // y (n, columns, rows): y_icr = x_irc of x (n, rows, columns); x and y are two arrays
  void (*transpose)(Context&, size_t n, size_t rows, size_t columns, const T* x, T* y);

  // Each *_out_r = its source's row order_r. Null in a backend whose memory is the host's.
  void (*gather)(Context&, const GatherArgs<T>&);

  // *sum = Σ_r the row's weight
  void (*weigh_rows)(Context&, const RowWeights<T>&, double* sum);
  // row_scale_r = sample_weight_r / *sum; 0 where *sum is 0
  void (*scale_rows)(Context&, const RowWeights<T>&, const double* sum, T* row_scale);

  size_t (*loss_workspace)(size_t rows, size_t columns);
  void (*loss)(Context&, const LossArgs<T>&);
  // batch_correct, and from batch_loss and batch_weight whether the batch is learned from. A row is correct
  // where the largest output is the labelled (or likeliest) class; for the binary cross-entropy where every
  // output is on its target's side of 0; for other losses never.
  void (*judge)(Context&, const LossArgs<T>&, Tally, Sums*);
  // Counts the judged batch, unless its loss or an earlier one has stopped training.
  void (*tally)(Context&, Tally, Sums*);

  // PyTorch's update rules. `slots` are the rule's state: velocity, which may be null when momentum is 0; m,
  // v; v, b. Nothing is done where `updates` is not null and points to 0. SGD: g' = g + λw;  v = μv + g';  w
  // −= η (nesterov ? g' + μv : v)
  //   With lr_in_velocity (Krizhevsky, Sutskever, Hinton 2012, section 5): v = μv − ηg';  w += v
  // Adam (Kingma and Ba 2015): m = β₁m + (1−β₁)g;  v = β₂v + (1−β₂)g²;  w −= η (m/c₁) / (√(v/c₂) + ε)
  // RMSprop: v = αv + (1−α)g²;  d = g / (√v + ε);  w −= η d, or with momentum b = μb + d, w −= η b
  void (*update)(Context&, const UpdateArgs&, const UpdateStep*, const uint64_t* updates, size_t count, T* w,
                 const T* grad, T* const* slots);
  // Nothing is done where Sums::updates is 0. Where ‖g‖ is not finite training stops as at a loss that is
  // not, with the batch's loss as the one that stopped.
  size_t (*clip_workspace)(size_t longest);  // elements of a range
  void (*clip)(Context&, const ClipArgs<T>&, Tally, Sums*);
  // y = x, unless `stopped` is not null and points to another number than 0
  void (*keep)(Context&, const uint64_t* stopped, size_t count, const T* x, T* y);

  // Index of the first element that is NaN or infinite, or count when all are finite.
  size_t (*first_not_finite)(Context&, size_t count, const T* x);

  // 0: this chain's layers are better run one by one, which holds for every batch or for none; otherwise it
  // grows with the batch. Both are null in a backend without such a kernel.
  size_t (*chain_workspace)(const ChainArgs<T>&);
  void (*chain_gradients)(Context&, const ChainArgs<T>&);

  size_t (*online_workspace)(const OnlineArgs<T>&);
  void (*online_sgd)(Context&, const OnlineArgs<T>&);
};

}  // namespace bpnet
