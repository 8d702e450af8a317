// The samples of one step, where the backend can read them.
#pragma once

#include <cstdint>
#include <vector>

#include "bpnet/network/network.h"
#include "bpnet/training/dataset.h"

namespace bpnet {

// Arrays in the backend's memory.
template <class T>
struct Batch {
  const T* x;                  // (count, input)
  const T* targets;            // (count, outputs) or null
  const std::int64_t* labels;  // (count,) or null
  const T* sample_weight;      // (count,) or null
  std::size_t count;
};

// Takes batches from the host's data. One stays until the next is taken.
template <class T>
class BatchSource {
 public:
  explicit BatchSource(const BasicNetwork<T>& network);

  void reserve(std::size_t max_batch);  // batches of so many samples take no memory
  std::size_t reserved() const { return reserved_; }

  // The samples of `order`, converted to T and side by side: copied, unless they are so in the data and the
  // backend can read them there.
  Batch<T> gather(const DatasetView<T>& data, const std::uint64_t* order, std::size_t count);
  // Rows first … first+count−1 of the data.
  Batch<T> rows(const DatasetView<T>& data, std::size_t first, std::size_t count);
  // A batch of the host's arrays.
  Batch<T> stage(const Batch<T>& host);

  bool reads(const DatasetView<T>& data) const;  // whether the backend can take samples where they are

 private:
  Batch<T> take(const DatasetView<T>& data, const std::uint64_t* order, std::size_t first, std::size_t count);
  template <class U, class Fill>
  const U* fill(Arena& arena, std::vector<U>& staging, std::size_t count, const Fill& fill);

  const Memory* memory_;
  std::size_t features_, outputs_;
  std::size_t reserved_ = 0;
  Arena x_, targets_, labels_, sample_weight_;
  // The host's side of these, where its memory is another.
  std::vector<T> staged_x_, staged_targets_, staged_weight_;
  std::vector<std::int64_t> staged_labels_;
};

extern template class BatchSource<float>;
extern template class BatchSource<double>;

}  // namespace bpnet
