#pragma once

#include <string.h>

#include "bpnet/kernels/cpu/base/chunks.h"
#include "bpnet/kernels/cpu/base/scalar_math.h"
#include "bpnet/kernels/kernels.h"

namespace {

void dropout_mask(bpnet::Context&, const bpnet::RandomStep* now, uint32_t layer, size_t rows, size_t columns,
                  double keep, double scale, real* mask) {
  const bpnet::RandomKey key = bpnet::random_key(now->seed, bpnet::Purpose::kDropout, layer, now->step);
  const size_t first_row = now->first_row;
  const double threshold = keep * 0x1p32;  // a word is uniform in 0 … 2^32 − 1
  run_chunks(rows, rows_per_chunk(columns), [&](size_t begin, size_t end, size_t) {
    for (size_t r = begin; r < end; ++r) {
      for (size_t c = 0; c < columns; c += 4) {
        const bpnet::RandomBlock words = bpnet::random_block(key, uint32_t(first_row + r), uint32_t(c / 4));
        const size_t here = smaller(4, columns - c);
        for (size_t i = 0; i < here; ++i) {
          mask[r * columns + c + i] = double(words.word[i]) < threshold ? real(scale) : real(0);
        }
      }
    }
  });
}

void keep(bpnet::Context&, const uint64_t* stopped, size_t count, const real* x, real* y) {
  if (!stopped || !*stopped) memcpy(y, x, count * sizeof(real));
}

void multiply(bpnet::Context&, size_t count, const real* a, const real* b, real* y) {
  run_chunks(count, kChunk, [&](size_t begin, size_t end, size_t) {
    for (size_t i = begin; i < end; ++i) y[i] = a[i] * b[i];
  });
}

void add(bpnet::Context&, size_t count, const real* a, const real* b, real* y) {
  run_chunks(count, kChunk, [&](size_t begin, size_t end, size_t) {
    for (size_t i = begin; i < end; ++i) y[i] = a[i] + b[i];
  });
}

void scale(bpnet::Context&, size_t count, double factor, const real* x, real* y) {
  run_chunks(count, kChunk, [&](size_t begin, size_t end, size_t) {
    for (size_t i = begin; i < end; ++i) y[i] = real(factor) * x[i];
  });
}

inline size_t first_not_finite_of(size_t begin, size_t end, const real* x) {
  constexpr size_t kBlockSize = 1024;
  for (; begin < end; begin += kBlockSize) {
    const size_t block_end = smaller(end, begin + kBlockSize);
    int finite = 1;
    for (size_t i = begin; i < block_end; ++i) finite &= is_finite(x[i]);
    if (finite) continue;
    for (size_t i = begin; i < block_end; ++i) {
      if (!is_finite(x[i])) return i;
    }
  }
  return end;
}

size_t first_not_finite(bpnet::Context&, size_t count, const real* x) {
  int found = 0;  // whether there is one is found in parallel, which is the first serially
  run_chunks(count, kChunk, [&](size_t begin, size_t end, size_t) {
    if (first_not_finite_of(begin, end, x) < end) __atomic_store_n(&found, 1, __ATOMIC_RELAXED);
  });
  return found ? first_not_finite_of(0, count, x) : count;
}

}  // namespace
