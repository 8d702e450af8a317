// Training data: samples in rows, with class labels or dense targets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "bpnet/training/loss.h"

namespace bpnet {

// The caller's arrays.
template <class T>
struct DatasetView {
  const void* x = nullptr;  // (count, features), dense, of x_type; converted batch by batch
  DataType x_type = sizeof(T) == 4 ? DataType::kFloat32 : DataType::kFloat64;
  std::size_t features = 0;
  std::size_t count = 0;
  std::size_t outputs = 0;               // columns of targets, or number of classes
  const T* targets = nullptr;            // (count, outputs), or null
  const std::int64_t* labels = nullptr;  // (count,), or null
  const T* sample_weight = nullptr;      // (count,), or null for all 1
};

constexpr std::size_t size_of(DataType type) {
  return type == DataType::kUint8 ? 1 : type == DataType::kFloat32 ? 4 : 8;
}

template <class T>
class ResidentData;

// A view whose labels were checked and copied: kernels use them as indices, and the caller's array may change
// during a training. The other arrays must outlive it.
template <class T>
class Dataset {
 public:
  // Throws a ValueError that names the row whose label is not a class, and a ShapeError where x is null or a
  // sample has no features or outputs.
  explicit Dataset(const DatasetView<T>& view);
  Dataset(Dataset&&) = default;
  Dataset& operator=(Dataset&&) = default;

  const DatasetView<T>& view() const { return view_; }
  std::size_t count() const { return view_.count; }

  // The same in a device's memory, where the arrays are copied at the first call; null where they need more
  // than half of the free memory.
  const DatasetView<T>* copy_on(const Memory& memory) const;

 private:
  std::vector<std::int64_t> labels_;
  DatasetView<T> view_;
  std::shared_ptr<ResidentData<T>> copies_;
};

// Throws a ValueError that names the row whose label is not one of `classes`.
void check_labels(std::size_t count, const std::int64_t* labels, std::size_t classes);

// Throws unless the data fits the loss and the network; messages begin with the operation.
template <class T>
void check_data(const char* operation, const DatasetView<T>& data, const Loss& loss,
                const BasicNetwork<T>& network);

// out (count, features) = the rows `index[0 … count−1]` of x, or rows first, first+1, … without an index.
template <class T>
void gather_rows(const void* x, DataType type, std::size_t features, const std::uint64_t* index,
                 std::size_t first, std::size_t count, T* out);

// out (count, row_bytes) = likewise, the bytes as they are
void copy_rows(const void* x, std::size_t row_bytes, const std::uint64_t* index, std::size_t first,
               std::size_t count, void* out);

constexpr std::size_t kAllFinite = static_cast<std::size_t>(-1);

// The first row that holds NaN or infinity once converted to T, or kAllFinite.
template <class T>
std::size_t first_bad_row(const void* x, DataType type, std::size_t features, std::size_t count);

extern template class Dataset<float>;
extern template class Dataset<double>;

}  // namespace bpnet
