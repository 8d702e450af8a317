// The three products of a linear layer.
#pragma once

#include "bpnet/kernels/cpu/base/column_sums.h"
#include "bpnet/kernels/cpu/bfloat16/gemm.h"

namespace {

inline size_t linear_workspace(bpnet::LinearSizes s) {
  const size_t forward = product_workspace({s.n, s.out, s.in}), input = product_workspace({s.n, s.in, s.out});
  const size_t weight = product_in_parts_workspace({s.out, s.in, s.n});
  return larger(larger(forward, input), larger(weight, column_sums_bytes(s.n, s.out)));
}

inline void linear_forward(const TileUnit& unit, const bpnet::Kernels<float>& base, bpnet::Context& context,
                           bpnet::LinearSizes s, const float* x, const float* w, const float* bias,
                           bpnet::Activation act, float* y) {
  const Factor samples = matrix_of(x, s.in, false), weights = matrix_of(w, s.in, false);
  const Finish finish = {&base, bias, act};
  // Lines of b are transposed in pairs while they are packed; where the weights have more lines, transposing
  // the result instead costs less. The bits are the same.
  if (s.n < s.out) {
    run_product({unit, {s.out, s.n, s.in}, weights, samples, {y, s.out, false, nullptr, true}, finish},
                {context.scratch}, kMostDepth, false);
  } else {
    run_product({unit, {s.n, s.out, s.in}, samples, weights, {y, s.out, false}, finish}, {context.scratch},
                kMostDepth, false);
  }
}

inline size_t linear_prepared_size(bpnet::LinearSizes s) {
  return prepared_elements(s.out, s.in) * sizeof(bfloat16);
}

inline void linear_prepare(bpnet::Context&, bpnet::LinearSizes s, const float* w, void* prepared) {
  prepare_columns(matrix_of(w, s.in, false), s.out, s.in, static_cast<bfloat16*>(prepared));
}

inline void linear_forward_prepared(const TileUnit& unit, const bpnet::Kernels<float>& base,
                                    bpnet::Context& context, bpnet::LinearSizes s, const float* x,
                                    const void* prepared, const float* bias, bpnet::Activation act,
                                    float* y) {
  run_product({unit,
               {s.n, s.out, s.in},
               matrix_of(x, s.in, false),
               prepared_columns(static_cast<const bfloat16*>(prepared), s.in),
               {y, s.out, false},
               {&base, bias, act}},
              {context.scratch}, kMostDepth, false);
}

// Rows of the weights are across the lines: with a small depth a block has long parts of them.
constexpr size_t kInputDepth = 512;

inline void linear_backward_input(const TileUnit& unit, bpnet::Context& context, bpnet::LinearSizes s,
                                  const float* grad_y, const float* w, float* grad_x) {
  run_product({unit,
               {s.n, s.in, s.out},
               matrix_of(grad_y, s.out, false),
               matrix_of(w, s.in, true),
               {grad_x, s.in, false},
               kNoFinish},
              {context.scratch}, kInputDepth, false);
}

inline void linear_backward_weight(const TileUnit& unit, bpnet::Context& context, bpnet::LinearSizes s,
                                   const float* x, const float* grad_y, float* grad_w, float* grad_bias,
                                   bool accumulate) {
  product_in_parts({unit,
                    {s.out, s.in, s.n},
                    matrix_of(grad_y, s.out, true),
                    matrix_of(x, s.in, true),
                    {grad_w, s.in, accumulate},
                    kNoFinish},
                   {context.scratch});
  if (grad_bias) add_column_sums(context, s.n, s.out, grad_y, grad_bias, accumulate);
}

}  // namespace
