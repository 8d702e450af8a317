// A view of training data: samples in rows, with class labels or dense targets.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bpnet {

enum class DataType { kFloat32, kFloat64, kUint8 };

template <class T>
struct Dataset {
  const void* x = nullptr;  // (count, features), dense, of x_type; converted batch by batch
  DataType x_type = sizeof(T) == 4 ? DataType::kFloat32 : DataType::kFloat64;
  std::size_t features = 0;
  std::size_t count = 0;
  std::size_t outputs = 0;               // columns of targets, or number of classes
  const T* targets = nullptr;            // (count, outputs), or null
  const std::int64_t* labels = nullptr;  // (count,), or null
  const T* sample_weight = nullptr;      // (count,), or null for all 1
};

// out (count, features) = the rows `index[0 … count−1]` of x, or rows first, first+1, … without an index.
template <class T>
void gather_rows(const void* x, DataType type, std::size_t features, const std::uint64_t* index,
                 std::size_t first, std::size_t count, T* out);

constexpr std::size_t kAllFinite = static_cast<std::size_t>(-1);

// The first row that holds NaN or infinity once converted to T, or kAllFinite.
template <class T>
std::size_t first_bad_row(const void* x, DataType type, std::size_t features, std::size_t count);

}  // namespace bpnet
