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

}  // namespace

template <class T>
BatchSource<T>::BatchSource(const BasicNetwork<T>& network)
    : memory_(&network.memory()),
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
  if (!memory_->is_host()) {
    staged_x_.resize(inputs);
    staged_targets_.resize(outputs);
    staged_labels_.resize(max_batch);
    staged_weight_.resize(max_batch);
  }
  reserved_ = max_batch;
}

// What `fill` writes on the host, in the arena.
template <class T>
template <class U, class Fill>
const U* BatchSource<T>::fill(Arena& arena, std::vector<U>& staging, std::size_t count, const Fill& fill) {
  U* const there = arena.at<U>(0);
  if (memory_->is_host()) {
    fill(there);
  } else {
    fill(staging.data());
    write_to(*memory_, there, staging.data(), count);
  }
  return there;
}

template <class T>
bool BatchSource<T>::reads(const DatasetView<T>& data) const {
  return memory_->is_host() && data.x_type == kTypeOf<T>;
}

template <class T>
Batch<T> BatchSource<T>::take(const DatasetView<T>& data, const std::uint64_t* order, std::size_t first,
                              std::size_t count) {
  Batch<T> batch{nullptr, nullptr, nullptr, nullptr, count};
  batch.x = fill(x_, staged_x_, count * features_,
                 [&](T* out) { gather_rows(data.x, data.x_type, features_, order, first, count, out); });
  if (data.targets) {
    batch.targets = fill(targets_, staged_targets_, count * outputs_, [&](T* out) {
      gather_rows(data.targets, kTypeOf<T>, outputs_, order, first, count, out);
    });
  }
  if (data.labels) {
    batch.labels = fill(labels_, staged_labels_, count,
                        [&](std::int64_t* out) { pick(data.labels, order, first, count, out); });
  }
  if (data.sample_weight) {
    batch.sample_weight = fill(sample_weight_, staged_weight_, count,
                               [&](T* out) { pick(data.sample_weight, order, first, count, out); });
  }
  return batch;
}

template <class T>
Batch<T> BatchSource<T>::gather(const DatasetView<T>& data, const std::uint64_t* order, std::size_t count) {
  if (reads(data) && is_run(order, count)) return rows(data, static_cast<std::size_t>(order[0]), count);
  return take(data, order, 0, count);
}

template <class T>
Batch<T> BatchSource<T>::rows(const DatasetView<T>& data, std::size_t first, std::size_t count) {
  if (!reads(data)) return take(data, nullptr, first, count);
  return {static_cast<const T*>(data.x) + first * features_,
          data.targets ? data.targets + first * outputs_ : nullptr,
          data.labels ? data.labels + first : nullptr,
          data.sample_weight ? data.sample_weight + first : nullptr, count};
}

template <class T>
Batch<T> BatchSource<T>::stage(const Batch<T>& host) {
  if (memory_->is_host()) return host;
  DatasetView<T> view;
  view.x = host.x;
  view.targets = host.targets;
  view.labels = host.labels;
  view.sample_weight = host.sample_weight;
  return take(view, nullptr, 0, host.count);
}

template class BatchSource<float>;
template class BatchSource<double>;

}  // namespace bpnet
