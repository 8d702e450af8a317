#include "bpnet/training/resident_data.h"

#include <algorithm>
#include <new>

#include "bpnet/core/memory/feed.h"
#include "bpnet/core/threads/interrupt.h"

namespace bpnet {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 24;  // bytes that are sent at a time

template <class T>
std::size_t bytes_of(const DatasetView<T>& data) {
  return data.count * (data.features * size_of(data.x_type) + (data.targets ? data.outputs * sizeof(T) : 0) +
                       (data.labels ? sizeof(std::int64_t) : 0) + (data.sample_weight ? sizeof(T) : 0));
}

}  // namespace

template <class T>
void ResidentData<T>::fill(Copy& copy, const DatasetView<T>& data) {
  const std::size_t piece = std::min(kPiece, bytes_of(data));
  const std::unique_ptr<Feed> feed = make_feed(*copy.memory, piece);
  const auto send = [&](Arena& arena, const void* from, std::size_t bytes) -> const void* {
    if (!from) return nullptr;
    arena.reserve(bytes);
    feed_to(*copy.memory, *feed, piece, arena.data(), from, bytes);
    return arena.data();
  };
  const std::size_t n = data.count;
  DatasetView<T> view = data;
  view.x = send(copy.x, data.x, n * data.features * size_of(data.x_type));
  view.targets = static_cast<const T*>(send(copy.targets, data.targets, n * data.outputs * sizeof(T)));
  view.labels = static_cast<const std::int64_t*>(send(copy.labels, data.labels, n * sizeof(std::int64_t)));
  view.sample_weight = static_cast<const T*>(send(copy.sample_weight, data.sample_weight, n * sizeof(T)));
  copy.view = view;
}

template <class T>
const DatasetView<T>* ResidentData<T>::on(const Memory& memory, const DatasetView<T>& data) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto copy =
      std::find_if(copies_.begin(), copies_.end(), [&](const Copy& c) { return c.memory == &memory; });
  if (copy == copies_.end()) {
    std::list<Copy> made;
    made.emplace_back(memory);
    try {
      if (bytes_of(data) <= memory.free_bytes() / 2) fill(made.back(), data);
    } catch (const std::bad_alloc&) {  // another thread has taken it meanwhile
      made.clear();
      made.emplace_back(memory);
    }
    if (Interruptible* const work = Interruptible::current()) work->check();
    copies_.splice(copies_.begin(), made);
    copy = copies_.begin();
  }
  return copy->view.x ? &copy->view : nullptr;
}

template class ResidentData<float>;
template class ResidentData<double>;

}  // namespace bpnet
