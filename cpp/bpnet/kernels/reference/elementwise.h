#pragma once

#include <cmath>

#include "bpnet/kernels/kernels.h"

namespace bpnet::reference {

template <class T>
void dropout_mask(Context&, const RandomStep* now, uint32_t layer, size_t rows, size_t columns, double keep,
                  double scale, T* mask) {
  const RandomKey key = random_key(now->seed, Purpose::kDropout, layer, now->step);
  const double threshold = keep * 0x1p32;  // a word is uniform in 0 … 2^32 − 1
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) {
      const RandomBlock words = random_block(key, uint32_t(now->first_row + r), uint32_t(c / 4));
      mask[r * columns + c] = double(words.word[c % 4]) < threshold ? T(scale) : T(0);
    }
  }
}

template <class T>
void keep(Context&, const uint64_t* stopped, size_t count, const T* x, T* y) {
  for (size_t i = 0; i < count && !(stopped && *stopped); ++i) y[i] = x[i];
}

template <class T>
void multiply(Context&, size_t count, const T* a, const T* b, T* y) {
  for (size_t i = 0; i < count; ++i) y[i] = a[i] * b[i];
}

template <class T>
void add(Context&, size_t count, const T* a, const T* b, T* y) {
  for (size_t i = 0; i < count; ++i) y[i] = a[i] + b[i];
}

template <class T>
void scale(Context&, size_t count, double factor, const T* x, T* y) {
  for (size_t i = 0; i < count; ++i) y[i] = T(factor * double(x[i]));
}

template <class T>
void copy_columns(Context&, const ColumnSizes& s, const T* x, T* y, bool accumulate) {
  for (size_t r = 0; r < s.rows; ++r) {
    for (size_t c = 0; c < s.columns; ++c) {
      const T from = x[r * s.x_stride + c];
      T& to = y[r * s.y_stride + c];
      to = accumulate ? to + from : from;
    }
  }
}

template <class T>
void transpose(Context&, size_t n, size_t rows, size_t columns, const T* x, T* y) {
  for (size_t i = 0; i < n; ++i) {
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < columns; ++c) y[(i * columns + c) * rows + r] = x[(i * rows + r) * columns + c];
    }
  }
}

template <class T>
size_t first_not_finite(Context&, size_t count, const T* x) {
  size_t i = 0;
  while (i < count && std::isfinite(x[i])) ++i;
  return i;
}

}  // namespace bpnet::reference
