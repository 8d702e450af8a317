// The samples of one step, where the backend can read them.
#pragma once

#include <cstdint>
#include <vector>

#include "bpnet/core/memory/feed.h"
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

// A data set and the order of its samples.
template <class T>
struct OrderedData {
  const DatasetView<T>& data;        // the host's
  const std::uint64_t* order;        // the host's
  const DatasetView<T>* copy;        // the backend's, or null
  const std::uint64_t* order_there;  // the backend's; null without a copy
};

// Makes batches from the host's data, or from its copy in the backend's memory. A batch is valid until the
// next one.
template <class T>
class BatchSource {
 public:
  explicit BatchSource(BasicNetwork<T>& network);

  void reserve(std::size_t max_batch);  // batches of so many samples take no memory
  std::size_t reserved() const { return reserved_; }
  // Nor does stage().
  void reserve_staging(std::size_t max_batch);
  bool stages(std::size_t batch) const { return memory_->is_host() || feed_size(batch) <= feed_size_; }

  // The copy of the data in the backend's memory; null where that is the host's, and where it is too small.
  const DatasetView<T>* copy_of(const Dataset<T>& data) const;

  // `count` samples of the order from `first` on, converted to T and contiguous: copied, unless they are so
  // in the data and the backend can read them there.
  Batch<T> gather(const OrderedData<T>& data, std::size_t first, std::size_t count);
  // Rows first … first+count−1 of the data, of which there may be a copy.
  Batch<T> rows(const DatasetView<T>& data, const DatasetView<T>* copy, std::size_t first, std::size_t count);
  // A batch of the host's arrays.
  Batch<T> stage(const Batch<T>& host);

  bool reads(const OrderedData<T>& data) const;  // whether the backend can read samples in place

 private:
  bool reads(const DatasetView<T>& data) const;  // the host's
  Batch<T> take(const DatasetView<T>& data, const std::uint64_t* order, std::size_t first, std::size_t count);
  Batch<T> batch_of(const DatasetView<T>& data, std::size_t count);
  DatasetView<T> send(const DatasetView<T>& data, const std::uint64_t* order, std::size_t first,
                      std::size_t count);
  Batch<T> convert(const DatasetView<T>& there, const std::uint64_t* order, std::size_t count);
  std::size_t feed_size(std::size_t batch) const;
  void reserve_feed(std::size_t bytes);

  BasicNetwork<T>* network_;
  const Memory* memory_;
  std::size_t features_, outputs_;
  std::size_t reserved_ = 0;
  Arena x_, targets_, labels_, sample_weight_;
  std::unique_ptr<Feed> feed_;  // where the memory is not the host's
  std::size_t feed_size_ = 0;
};

extern template class BatchSource<float>;
extern template class BatchSource<double>;

}  // namespace bpnet
