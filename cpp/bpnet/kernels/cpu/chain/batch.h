// A batch of a narrow chain, a slice of samples at a time: forward, loss and backward of a slice within the
// nearest caches. A slice is stored transposed, (features, samples): the products of both directions then
// load samples as vectors without packing, whatever the layers' widths.
//
// Slices are distributed over parts, which depend on sizes alone. Each part sums the gradients of its slices
// in turn, and the parts' sums are added in order.
#pragma once

#include "bpnet/kernels/cpu/activation.h"
#include "bpnet/kernels/cpu/layout.h"
#include "bpnet/kernels/cpu/loss.h"
#include "bpnet/kernels/cpu/product/gemm.h"
#include "bpnet/kernels/cpu/softmax.h"

namespace {

using ChainCall = bpnet::ChainArgs<real>;
using ChainLayer = bpnet::ChainLayer<real>;

// With more weights it is better to divide a layer among the threads than the batch.
constexpr size_t kChainWeights = size_t{1} << 14;
// Elements of a slice's arrays, within bounds on its rows. With a wider chain too few rows would fit, and
// transposing wide inputs would cost more than it saves.
constexpr size_t kSliceElements = size_t{1} << 14;
constexpr size_t kLeastSlice = 48, kMostSlice = 112;
static_assert(kLeastSlice % kLanes == 0 && kMostSlice % kLanes == 0, "slices are whole vectors");
constexpr size_t kChainParts = 32;

struct LinkMemory {
  real* s;  // (out, rows) before the activation, where its derivative needs it; else undefined
  real* y;  // (out, rows)
  real *grad_weight, *grad_bias;  // the part's gradients
};

// The memory of one part.
struct ChainPart {
  LinkMemory* links;
  real* x;                  // (in, rows)
  real* delta[2];           // (widest, rows), each computed from the other
  real* grad_output;        // (rows, out)
  real* gradients;          // (parameters,); null: written directly to the result
  bpnet::Context products;  // scratch of the products
};

struct ChainSlices {
  size_t rows;  // of a slice; the last one may have fewer
  size_t count, parts;
};

inline bool reads_input(ActivationKind kind) {
  return kind == ActivationKind::kGelu || kind == ActivationKind::kGeluTanh || kind == ActivationKind::kSilu;
}

__attribute__((noinline)) size_t chain_weights(const ChainCall& a) {
  size_t weights = 0;
  for (size_t l = 0; l < a.depth; ++l) weights += a.layers[l].weight ? a.layers[l].in * a.layers[l].out : 0;
  return weights;
}

__attribute__((noinline)) size_t chain_parameters(const ChainCall& a) {
  size_t parameters = chain_weights(a);
  for (size_t l = 0; l < a.depth; ++l) parameters += a.layers[l].bias ? a.layers[l].out : 0;
  return parameters;
}

// Rows of a slice, for any batch; with too few the chain is unsuitable for this kernel.
__attribute__((noinline)) size_t most_rows(const ChainCall& a) {
  size_t width = a.layers[0].in;
  for (size_t l = 0; l < a.depth; ++l) width += 2 * a.layers[l].out;
  return smaller(kSliceElements / width, kMostSlice) / kLanes * kLanes;
}

inline bool is_serial(const ChainCall& a) { return a.loss.rows * chain_weights(a) < kSerialProducts; }

inline ChainSlices chain_slices(const ChainCall& a) {
  const size_t count = ceil_divide(a.loss.rows, most_rows(a));
  const size_t parts = is_serial(a) ? 1 : smaller(kChainParts, count);
  return {whole_vectors(ceil_divide(a.loss.rows, count)), count, parts};
}

__attribute__((noinline)) size_t chain_products(const ChainCall& a, size_t rows) {  // bytes
  size_t most = 0;
  for (size_t l = 0; l < a.depth; ++l) {
    const size_t in = a.layers[l].in, out = a.layers[l].out;
    most = larger(most, gemm_workspace({out, rows, in}));
    most = larger(most, larger(gemm_workspace({out, in, rows}), gemm_workspace({in, rows, out})));
  }
  return most;
}

ChainPart lay_out_part(Scratch& scratch, const ChainCall& a, size_t rows, bool shared) {
  ChainPart part = {};
  const auto take_reals = [&](size_t count) { return scratch.take<real>(count); };
  part.links = scratch.take<LinkMemory>(a.depth);
  part.x = take_reals(a.layers[0].in * rows);
  part.gradients = shared ? take_reals(chain_parameters(a)) : nullptr;
  real* gradient = part.gradients;
  size_t widest = 0;
  for (size_t l = 0; l < a.depth; ++l) {
    const ChainLayer& layer = a.layers[l];
    widest = larger(widest, larger(l ? layer.in : 0, layer.out));
    const bool keeps_s = layer.weight && reads_input(layer.activation.kind);
    real* const s = keeps_s ? take_reals(layer.out * rows) : nullptr;
    real* const y = take_reals(layer.out * rows);
    if (!scratch.memory) continue;
    LinkMemory& link = part.links[l];
    link = {keeps_s ? s : y, y, layer.grad_weight, layer.grad_bias};
    if (!layer.weight) link.s = l ? part.links[l - 1].y : part.x;
    if (!shared || !layer.weight) continue;
    link.grad_weight = gradient;
    gradient += layer.in * layer.out;
    link.grad_bias = layer.bias ? gradient : nullptr;
    if (layer.bias) gradient += layer.out;
  }
  for (real*& delta : part.delta) delta = take_reals(widest * rows);
  part.grad_output = take_reals(a.loss.columns * rows);
  const size_t products = chain_products(a, rows);
  part.products = {scratch.take<unsigned char>(products), products};
  return part;
}

size_t part_bytes(const ChainCall& a, size_t rows, bool shared) {
  Scratch scratch = {nullptr};
  lay_out_part(scratch, a, rows, shared);
  return scratch.bytes;
}

size_t chain_workspace(const ChainCall& a) {
  size_t weighted = 0;
  for (size_t l = 0; l < a.depth; ++l) weighted += a.layers[l].weight != nullptr;
  // With one layer there is nothing to keep cached for the next.
  if (weighted < 2 || chain_weights(a) > kChainWeights || most_rows(a) < kLeastSlice) return 0;
  const ChainSlices slices = chain_slices(a);
  // The last batch of an epoch may be smaller than the others, with slices of more rows.
  Scratch scratch = {nullptr};
  scratch.take<double>(kChainParts);
  return scratch.bytes + slices.parts * part_bytes(a, most_rows(a), true);
}

// y (columns, rows) of x (rows, columns), rows of y padded with 0 to whole vectors
void transpose_samples(size_t rows, size_t columns, const real* x, real* y) {
  const size_t stride = whole_vectors(rows);
  transpose_columns(rows, 0, columns, x, columns, y, stride);
  for (size_t c = 0; c < columns; ++c) fill_zero(stride - rows, y + c * stride + rows);
}

void chain_forward(ChainPart& part, const ChainCall& a, size_t rows) {
  const size_t stride = whole_vectors(rows);
  const real* x = part.x;
  for (size_t l = 0; l < a.depth; ++l) {
    const ChainLayer& layer = a.layers[l];
    const LinkMemory& link = part.links[l];
    if (layer.weight) {
      gemm(part.products, {layer.out, stride, layer.in}, {layer.weight, layer.in, 1}, {x, stride, 1},
           {link.s, stride, false, false}, {nullptr, kNoEpilogue.activation, layer.bias});
    }
    activate(layer.activation, layer.out * stride, link.s, link.y);
    x = link.y;
  }
}

// The loss of rows first … first+rows−1 with output y (out, rows); delta = its gradient by y.
double chain_loss(const ChainPart& part, const ChainCall& a, size_t first, size_t rows, const real* y,
                  real* delta) {
  const size_t columns = a.loss.columns;
  Loss here = a.loss;
  real* const output = a.output + first * columns;
  transpose_columns(columns, 0, rows, y, whole_vectors(rows), output, columns);
  here.output = output;
  here.target = here.target ? here.target + first * columns : nullptr;
  here.label = here.label ? here.label + first : nullptr;
  here.grad_output = part.grad_output;
  double sum = 0;
  for (size_t row = 0; row < rows; ++row) sum += loss_row(here, row, a.loss.row_scale[first + row]);
  transpose_samples(rows, columns, part.grad_output, delta);
  return sum;
}

// From part.delta[0], the gradient by the output, to the gradients of the parameters.
void chain_backward(ChainPart& part, const ChainCall& a, const real* first_x, size_t rows, bool accumulate) {
  const size_t stride = whole_vectors(rows);
  real *delta = part.delta[0], *next = part.delta[1];
  for (size_t l = a.depth; l-- > 0;) {
    const ChainLayer& layer = a.layers[l];
    const LinkMemory& link = part.links[l];
    activate_backward(layer.activation, layer.out * stride, link.s, link.y, delta, delta);
    if (!layer.weight) continue;
    // The caller's rows are loaded without packing where they fill whole vectors.
    const bool as_given = l == 0 && layer.in % kLanes == 0;
    const Operand x =
        as_given ? Operand{first_x, layer.in, 1} : Operand{l ? part.links[l - 1].y : part.x, 1, stride};
    gemm(part.products, {layer.out, layer.in, rows}, {delta, stride, 1}, x,
         {link.grad_weight, layer.in, false, accumulate}, kNoEpilogue);
    for (size_t j = 0; link.grad_bias && j < layer.out; ++j) {
      const real sum = sum_of(rows, delta + j * stride);
      link.grad_bias[j] = accumulate ? link.grad_bias[j] + sum : sum;
    }
    if (l == 0) continue;
    gemm(part.products, {layer.in, stride, layer.out}, {layer.weight, 1, layer.in}, {delta, stride, 1},
         {next, stride, false, false}, kNoEpilogue);
    real* const done = delta;
    delta = next;
    next = done;
  }
}

// grad = the sum of one parameter's gradients over all parts.
__attribute__((noinline)) void add_parts(const ChainPart& first, size_t parts, size_t bytes,
                                         const real* of_first, size_t count, real* grad) {
  const size_t offset = size_t(of_first - first.gradients), from_part_to_part = bytes / sizeof(real);
  run_chunks(count, kChunk / 16, [&](size_t begin, size_t end, size_t) {
    fill_zero(end - begin, grad + begin);
    for (size_t p = 0; p < parts; ++p) {
      add_scaled(end - begin, 1, first.gradients + p * from_part_to_part + offset + begin, grad + begin);
    }
  });
}

void chain_gradients(bpnet::Context& context, const ChainCall& a) {
  const ChainSlices slices = chain_slices(a);
  const bool shared = slices.parts > 1;
  const size_t bytes = part_bytes(a, slices.rows, shared);
  Scratch scratch = {context.scratch};
  double* const losses = scratch.take<double>(kChainParts);
  run_tasks(slices.parts, false, [&](size_t index) {
    Scratch memory = part_of(scratch, index, bytes);
    ChainPart part = lay_out_part(memory, a, slices.rows, shared);
    const size_t begin = index * slices.count / slices.parts, end = (index + 1) * slices.count / slices.parts;
    losses[index] = 0;
    for (size_t slice = begin; slice < end; ++slice) {
      const size_t first = slice * slices.rows, rows = smaller(slices.rows, a.loss.rows - first);
      const real* const x = a.x + first * a.layers[0].in;
      transpose_samples(rows, a.layers[0].in, x, part.x);
      chain_forward(part, a, rows);
      losses[index] += chain_loss(part, a, first, rows, part.links[a.depth - 1].y, part.delta[0]);
      chain_backward(part, a, x, rows, slice > begin);
    }
  });
  double loss = 0;
  for (size_t index = 0; index < slices.parts; ++index) loss += losses[index];
  *a.loss.loss = loss;
  if (!shared) return;
  const ChainPart part = lay_out_part(scratch, a, slices.rows, shared);
  for (size_t l = 0; l < a.depth; ++l) {
    const ChainLayer& layer = a.layers[l];
    if (!layer.weight) continue;
    const LinkMemory& link = part.links[l];
    add_parts(part, slices.parts, bytes, link.grad_weight, layer.in * layer.out, layer.grad_weight);
    if (link.grad_bias) {
      add_parts(part, slices.parts, bytes, link.grad_bias, layer.out, layer.grad_bias);
    }
  }
}

}  // namespace
