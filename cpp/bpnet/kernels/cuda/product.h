// Products of matrices by a library: cublaslt.cpp, the only file that uses cuBLASLt.
#pragma once

#include <compare>
#include <cstdint>

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

// The epilogue of a product, in the same pass: C = act(C + bias (columns,)), with the identity or ReLU.
template <class T>
struct Epilogue {
  const T* bias;  // or null
  bool relu;
};

// The key of a library's product.
struct ProductKey {
  size_t rows, columns, depth;
  bool a_transposed, b_transposed;
  bool twofold, tf32;
  bool bias, relu;
  std::uint32_t a_alignment, b_alignment, bias_alignment, c_alignment;  // bytes

  auto operator<=>(const ProductKey&) const = default;
};

// The largest power of 2 that divides the address, up to the largest that matters.
inline std::uint32_t alignment(const void* pointer) {
  constexpr std::uintptr_t kMost = 16;
  const auto address = reinterpret_cast<std::uintptr_t>(pointer) | kMost;
  return static_cast<std::uint32_t>(address & ~(address - 1));
}

template <class T>
ProductKey product_key(const Product& p, Precision precision, const T* a, const T* b,
                       const Epilogue<T>& epilogue, const T* c) {
  const bool twofold = sizeof(T) == sizeof(double);
  return {p.rows,
          p.columns,
          p.depth,
          p.a_transposed,
          p.b_transposed,
          twofold,
          !twofold && precision == Precision::kTf32,
          epilogue.bias != nullptr,
          epilogue.relu,
          alignment(a),
          alignment(b),
          alignment(epilogue.bias),
          alignment(c)};
}

enum class Made { kNothing, kProduct, kAll };  // all: with the epilogue

// Computes as much as the library supports, always the same for the same sizes. The first call for some sizes
// may allocate memory and wait for the GPU; later ones do neither, so that they can be captured in a graph.
template <class T>
Made library_product(Context&, const Product&, const T* a, const T* b, const Epilogue<T>&, T* c);

}  // namespace bpnet::cuda
