// Rows of a data set.
#pragma once

#include "bpnet/kernels/kernels.h"

namespace bpnet::reference {

// out (rows, columns) = the rows of `from`; no effect where that is null
template <class T, class From>
void gather_array(const From* from, size_t columns, const uint64_t* order, size_t rows, T* out) {
  if (!from) return;
  for (size_t row = 0; row < rows; ++row) {
    const From* sample = from + (order ? size_t(order[row]) : row) * columns;
    for (size_t i = 0; i < columns; ++i) out[row * columns + i] = T(sample[i]);
  }
}

template <class T>
void gather(Context&, const GatherArgs<T>& a) {
  const auto take = [&](const auto* x) { gather_array(x, a.features, a.order, a.rows, a.x_out); };
  if (a.x_type == DataType::kFloat32) take(static_cast<const float*>(a.x));
  if (a.x_type == DataType::kFloat64) take(static_cast<const double*>(a.x));
  if (a.x_type == DataType::kUint8) take(static_cast<const uint8_t*>(a.x));
  gather_array(a.targets, a.outputs, a.order, a.rows, a.targets_out);
  gather_array(a.labels, 1, a.order, a.rows, a.labels_out);
  gather_array(a.sample_weight, 1, a.order, a.rows, a.sample_weight_out);
}

}  // namespace bpnet::reference
