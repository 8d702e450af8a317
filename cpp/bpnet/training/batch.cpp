#include "bpnet/training/batch.h"

#include <algorithm>

namespace bpnet {
namespace {

template <class T>
constexpr DataType kTypeOf = DatasetView<T>().x_type;

bool is_run(const std::uint64_t* order, std::size_t count) {
  std::size_t steps = 1;
  for (std::size_t i = 1; i < count; ++i) steps += order[i] == order[0] + i;
  return steps == count;
}

// values[order[r]], or values[first + r] without an order
template <class U>
void pick(const U* values, const std::uint64_t* order, std::size_t first, std::size_t count, U* out) {
  for (std::size_t r = 0; r < count; ++r) out[r] = values[order ? order[r] : first + r];
}

// The offsets of a batch's arrays, in bytes from the start of the buffer through which it is sent.
struct Offsets {
  std::size_t x, targets, labels, sample_weight, end;
};

template <class T>
Offsets offsets(const DatasetView<T>& data, std::size_t count) {
  Offsets p{};
  std::size_t next = 0;
  const auto put = [&](bool there, std::size_t row_bytes) {
    const std::size_t at = next;
    if (there) next += align_up(checked_product("trainer", count, row_bytes));
    return at;
  };
  p.x = put(true, data.features * size_of(data.x_type));
  p.targets = put(data.targets, data.outputs * sizeof(T));
  p.labels = put(data.labels, sizeof(std::int64_t));
  p.sample_weight = put(data.sample_weight, sizeof(T));
  p.end = next;
  return p;
}

}  // namespace

template <class T>
BatchSource<T>::BatchSource(BasicNetwork<T>& network)
    : network_(&network),
      memory_(&network.memory()),
      features_(network.input_shape().count()),
      outputs_(network.output_shape().count()),
      x_(*memory_),
      targets_(*memory_),
      labels_(*memory_),
      sample_weight_(*memory_) {}

template <class T>
void BatchSource<T>::reserve(std::size_t max_batch) {
  if (max_batch <= reserved_) return;
  const std::size_t inputs = checked_product("trainer", max_batch, features_);
  const std::size_t outputs = checked_product("trainer", max_batch, outputs_);
  x_.reserve(checked_product("trainer", inputs, sizeof(T)));
  targets_.reserve(checked_product("trainer", outputs, sizeof(T)));
  labels_.reserve(max_batch * sizeof(std::int64_t));
  sample_weight_.reserve(max_batch * sizeof(T));
  reserved_ = max_batch;
}

// The bytes of a batch of T with all arrays.
template <class T>
std::size_t BatchSource<T>::feed_size(std::size_t batch) const {
  const T number = 0;
  const std::int64_t label = 0;
  DatasetView<T> all;
  all.features = features_;
  all.outputs = outputs_;
  all.targets = all.sample_weight = &number;
  all.labels = &label;
  return offsets(all, batch).end;
}

template <class T>
void BatchSource<T>::reserve_feed(std::size_t bytes) {
  if (bytes <= feed_size_) return;
  feed_.reset();  // both need not fit at once
  feed_size_ = 0;
  feed_ = make_feed(*memory_, bytes);
  feed_size_ = bytes;
}

template <class T>
void BatchSource<T>::reserve_staging(std::size_t max_batch) {
  if (!memory_->is_host()) reserve_feed(feed_size(max_batch));
}

template <class T>
bool BatchSource<T>::reads(const DatasetView<T>& data) const {
  return memory_->is_host() && data.x_type == kTypeOf<T>;
}

template <class T>
bool BatchSource<T>::reads(const OrderedData<T>& samples) const {
  return samples.copy ? samples.copy->x_type == kTypeOf<T> : reads(samples.data);
}

template <class T>
const DatasetView<T>* BatchSource<T>::copy_of(const Dataset<T>& data) const {
  return memory_->is_host() ? nullptr : data.copy_on(*memory_);
}

// The destination of samples of this data.
template <class T>
Batch<T> BatchSource<T>::batch_of(const DatasetView<T>& data, std::size_t count) {
  return {x_.at<T>(0), data.targets ? targets_.at<T>(0) : nullptr,
          data.labels ? labels_.at<std::int64_t>(0) : nullptr,
          data.sample_weight ? sample_weight_.at<T>(0) : nullptr, count};
}

template <class T>
Batch<T> BatchSource<T>::take(const DatasetView<T>& data, const std::uint64_t* order, std::size_t first,
                              std::size_t count) {
  if (!memory_->is_host()) return convert(send(data, order, first, count), nullptr, count);
  gather_rows(data.x, data.x_type, features_, order, first, count, x_.at<T>(0));
  if (data.targets) {
    gather_rows(data.targets, kTypeOf<T>, outputs_, order, first, count, targets_.at<T>(0));
  }
  if (data.labels) pick(data.labels, order, first, count, labels_.at<std::int64_t>(0));
  if (data.sample_weight) pick(data.sample_weight, order, first, count, sample_weight_.at<T>(0));
  return batch_of(data, count);
}

// These rows alone, in the backend's memory and in their type.
template <class T>
DatasetView<T> BatchSource<T>::send(const DatasetView<T>& data, const std::uint64_t* order, std::size_t first,
                                    std::size_t count) {
  const Offsets at = offsets(data, count);
  reserve_feed(at.end);
  auto* const host = static_cast<unsigned char*>(feed_->fill());
  copy_rows(data.x, features_ * size_of(data.x_type), order, first, count, host + at.x);
  if (data.targets) {
    copy_rows(data.targets, outputs_ * sizeof(T), order, first, count, host + at.targets);
  }
  if (data.labels) {
    pick(data.labels, order, first, count, reinterpret_cast<std::int64_t*>(host + at.labels));
  }
  if (data.sample_weight) {
    pick(data.sample_weight, order, first, count, reinterpret_cast<T*>(host + at.sample_weight));
  }
  const auto* const there = static_cast<const unsigned char*>(feed_->send(at.end));
  DatasetView<T> sent = data;
  sent.count = count;
  sent.x = there + at.x;
  if (data.targets) sent.targets = reinterpret_cast<const T*>(there + at.targets);
  if (data.labels) sent.labels = reinterpret_cast<const std::int64_t*>(there + at.labels);
  if (data.sample_weight) sent.sample_weight = reinterpret_cast<const T*>(there + at.sample_weight);
  return sent;
}

// Always at the same addresses, which a recorded step keeps using.
template <class T>
Batch<T> BatchSource<T>::convert(const DatasetView<T>& there, const std::uint64_t* order, std::size_t count) {
  network_->kernels().gather(
      network_->context(),
      {there.x, there.x_type, features_, outputs_, there.targets, there.labels, there.sample_weight, order,
       count, x_.at<T>(0), targets_.at<T>(0), labels_.at<std::int64_t>(0), sample_weight_.at<T>(0)});
  return batch_of(there, count);
}

template <class T>
Batch<T> BatchSource<T>::gather(const OrderedData<T>& samples, std::size_t first, std::size_t count) {
  if (samples.copy) return convert(*samples.copy, samples.order_there + first, count);
  const std::uint64_t* const order = samples.order + first;
  if (reads(samples.data) && is_run(order, count)) {
    return rows(samples.data, nullptr, static_cast<std::size_t>(order[0]), count);
  }
  return take(samples.data, order, 0, count);
}

template <class T>
Batch<T> BatchSource<T>::rows(const DatasetView<T>& data, const DatasetView<T>* copy, std::size_t first,
                              std::size_t count) {
  if (!copy && !reads(data)) return take(data, nullptr, first, count);
  DatasetView<T> from = copy ? *copy : data;
  from.x = static_cast<const unsigned char*>(from.x) + first * features_ * size_of(from.x_type);
  if (from.targets) from.targets += first * outputs_;
  if (from.labels) from.labels += first;
  if (from.sample_weight) from.sample_weight += first;
  if (from.x_type != kTypeOf<T>) return convert(from, nullptr, count);
  return {static_cast<const T*>(from.x), from.targets, from.labels, from.sample_weight, count};
}

template <class T>
Batch<T> BatchSource<T>::stage(const Batch<T>& host) {
  if (memory_->is_host()) return host;
  DatasetView<T> view;
  view.x = host.x;
  view.features = features_;
  view.outputs = outputs_;
  view.targets = host.targets;
  view.labels = host.labels;
  view.sample_weight = host.sample_weight;
  return take(view, nullptr, 0, host.count);
}

template class BatchSource<float>;
template class BatchSource<double>;

}  // namespace bpnet
