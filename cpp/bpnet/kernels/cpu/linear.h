#pragma once

#include "bpnet/kernels/cpu/base/column_sums.h"
#include "bpnet/kernels/cpu/product/bands.h"
#include "bpnet/kernels/cpu/product/gemm.h"

namespace {

// Fewer samples than this are computed row by row: packing the weights would cost more than it saves.
constexpr size_t kThinBatch = 4;

// Rows of the weights in one task of a thin batch.
inline size_t thin_rows(size_t in) { return larger(1, kSerialProducts / 4 / larger(1, in)); }

size_t linear_workspace(bpnet::LinearSizes s) {
  const size_t forward = gemm_workspace({s.n, s.out, s.in}), swapped = gemm_workspace({s.out, s.n, s.in});
  const size_t input = gemm_workspace({s.n, s.in, s.out}),
               weight = gemm_in_parts_workspace({s.out, s.in, s.n});
  const size_t bands = larger(bands_workspace({s.n, s.out, s.in}), bands_workspace({s.n, s.in, s.out}));
  return larger(larger(larger(forward, swapped), larger(input, weight)),
                larger(bands, column_sums_bytes(s.n, s.out)));
}

void linear_forward(bpnet::Context& context, bpnet::LinearSizes s, const real* x, const real* w,
                    const real* bias, bpnet::Activation act, real* y) {
  // With fewer rows transposing the weights would cost more than reading them with a stride.
  if (s.n >= kPackRows && runs_in_bands({s.n, s.out, s.in})) {
    multiply_in_bands(context, {s.n, s.out, s.in}, {x, s.in, 1}, {w, 1, s.in}, {y, s.out, false, false},
                      {bias, act});
    return;
  }
  if (s.n >= kThinBatch) {
    // The operand that is loaded as vectors must be transposed, and if that is x, y as well: the cheaper one
    // is chosen.
    const size_t passes = ceil_divide(s.in, pass_depth({s.out, s.n, s.in}));
    if (s.in * s.out < s.n * (s.in + 2 * s.out * passes)) {
      gemm(context, {s.n, s.out, s.in}, {x, s.in, 1}, {w, 1, s.in}, {y, s.out, false, false}, {bias, act});
    } else {
      gemm(context, {s.out, s.n, s.in}, {w, s.in, 1}, {x, 1, s.in}, {y, s.out, true, false},
           {nullptr, act, bias});
    }
    return;
  }
  run_chunks(s.out, thin_rows(s.in), [&](size_t begin, size_t end, size_t) {
    for (size_t n = 0; n < s.n; ++n) {
      for (size_t j = begin; j < end; ++j) {
        y[n * s.out + j] = dot(s.in, w + j * s.in, x + n * s.in) + (bias ? bias[j] : real(0));
      }
      activate(act, end - begin, y + n * s.out + begin, y + n * s.out + begin);
    }
  });
}

void linear_backward_input(bpnet::Context& context, bpnet::LinearSizes s, const real* grad_y, const real* w,
                           real* grad_x) {
  if (s.n >= kThinBatch && runs_in_bands({s.n, s.in, s.out})) {
    multiply_in_bands(context, {s.n, s.in, s.out}, {grad_y, s.out, 1}, {w, s.in, 1},
                      {grad_x, s.in, false, false}, kNoEpilogue);
    return;
  }
  if (s.n >= kThinBatch) {
    gemm(context, {s.n, s.in, s.out}, {grad_y, s.out, 1}, {w, s.in, 1}, {grad_x, s.in, false, false},
         kNoEpilogue);
    return;
  }
  run_chunks(s.in, larger(64, thin_rows(s.out)), [&](size_t begin, size_t end, size_t) {
    for (size_t n = 0; n < s.n; ++n) {
      real* to = grad_x + n * s.in + begin;
      set_scaled(end - begin, grad_y[n * s.out], w + begin, to);
      for (size_t j = 1; j < s.out; ++j) {
        add_scaled(end - begin, grad_y[n * s.out + j], w + j * s.in + begin, to);
      }
    }
  });
}

void linear_backward_weight(bpnet::Context& context, bpnet::LinearSizes s, const real* x, const real* grad_y,
                            real* grad_w, real* grad_bias, bool accumulate) {
  if (s.n >= kThinBatch) {
    gemm_in_parts(context, {s.out, s.in, s.n}, {grad_y, 1, s.out}, {x, s.in, 1},
                  {grad_w, s.in, false, accumulate});
  } else {
    run_chunks(s.out, thin_rows(s.in), [&](size_t begin, size_t end, size_t) {
      for (size_t j = begin; j < end; ++j) {
        if (!accumulate) set_scaled(s.in, grad_y[j], x, grad_w + j * s.in);
        for (size_t n = accumulate ? 0 : 1; n < s.n; ++n) {
          add_scaled(s.in, grad_y[n * s.out + j], x + n * s.in, grad_w + j * s.in);
        }
      }
    });
  }
  if (grad_bias) add_column_sums(context, s.n, s.out, grad_y, grad_bias, accumulate);
}

}  // namespace
