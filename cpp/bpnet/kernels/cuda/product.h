// Products of matrices as a library makes them: cublaslt.cpp, the one file that knows cuBLASLt.
#pragma once

#include "bpnet/kernels/kernels.h"

namespace bpnet::cuda {

// C (rows, columns) = op(A) (rows, depth) · op(B) (depth, columns). All are row-major and dense, no size is
// 0.
struct Product {
  size_t rows, columns, depth;
  bool a_transposed;  // A is stored (depth, rows)
  bool b_transposed;  // B is stored (columns, depth)
  bool accumulate;    // C +=
};

// What may follow a product in the same pass: C = act(C + bias (columns,)), with the identity or ReLU.
template <class T>
struct Epilogue {
  const T* bias;  // or null
  bool relu;
};

enum class Made { kNothing, kProduct, kAll };  // all: with the epilogue

// Makes as much as the library has a form for, the same for the same sizes, always. The first call for some
// sizes may allocate memory and wait for the GPU, later ones do neither: a graph is captured from later ones.
template <class T>
Made library_product(Context&, const Product&, const T* a, const T* b, const Epilogue<T>&, T* c);

}  // namespace bpnet::cuda
