#include "bpnet/training/dataset.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "bpnet/core/error.h"
#include "bpnet/core/threads/parallel.h"
#include "bpnet/training/resident_data.h"

namespace bpnet {
namespace {

constexpr std::size_t kChunkElements = std::size_t{1} << 16;

template <class T, class Source>
struct Gather {
  const Source* x;
  std::size_t features;
  const std::uint64_t* index;
  std::size_t first, count, chunk;
  T* out;

  void rows(std::size_t begin, std::size_t end) const {
    for (std::size_t r = begin; r < end; ++r) {
      const Source* from = x + (index ? static_cast<std::size_t>(index[r]) : first + r) * features;
      T* to = out + r * features;
      if constexpr (std::is_same_v<T, Source>) {
        std::memcpy(to, from, features * sizeof(T));
      } else {
        for (std::size_t i = 0; i < features; ++i) to[i] = static_cast<T>(from[i]);
      }
    }
  }

  void run() {
    chunk = std::max<std::size_t>(1, kChunkElements / features);
    parallel_for((count + chunk - 1) / chunk,
                 [](std::size_t part, void* argument) {
                   const Gather& self = *static_cast<Gather*>(argument);
                   self.rows(part * self.chunk, std::min(self.count, (part + 1) * self.chunk));
                 },
                 this);
  }
};

template <class T, class Source>
struct BadRow {
  const Source* x;
  std::size_t features, count, chunk;
  std::atomic<bool> found;

  std::size_t first(std::size_t begin, std::size_t end) const {
    for (std::size_t r = begin; r < end; ++r) {
      bool finite = true;
      for (std::size_t i = 0; i < features; ++i) finite &= std::isfinite(static_cast<T>(x[r * features + i]));
      if (!finite) return r;
    }
    return kAllFinite;
  }

  // Whether there is one is found in parallel, which is the first serially.
  std::size_t find() {
    chunk = std::max<std::size_t>(1, kChunkElements / features);
    parallel_for((count + chunk - 1) / chunk,
                 [](std::size_t part, void* argument) {
                   BadRow& self = *static_cast<BadRow*>(argument);
                   const std::size_t end = std::min(self.count, (part + 1) * self.chunk);
                   if (self.first(part * self.chunk, end) != kAllFinite) self.found = true;
                 },
                 this);
    return found ? first(0, count) : kAllFinite;
  }
};

template <class T, class Source>
std::size_t find_bad_row(const Source* x, std::size_t features, std::size_t count) {
  return BadRow<T, Source>{x, features, count, 0, false}.find();
}

}  // namespace

void check_labels(std::size_t count, const std::int64_t* labels, std::size_t classes) {
  for (std::size_t r = 0; r < count; ++r) {
    if (labels[r] < 0 || static_cast<std::size_t>(labels[r]) >= classes) {
      fail<ValueError>("cross_entropy: the label in row ", r, " is ", labels[r],
                       ", the network has classes 0 to ", classes - 1);
    }
  }
}

// The copy is checked: the caller's array may change meanwhile.
template <class T>
Dataset<T>::Dataset(const DatasetView<T>& view) : view_(view), copies_(std::make_shared<ResidentData<T>>()) {
  if (!view.x && view.count > 0) fail<ShapeError>("dataset: x is null, ", view.count, " samples are claimed");
  if (view.count > 0 && view.features == 0)
    fail<ShapeError>("dataset: x has 0 features, at least 1 is needed");
  if ((view.targets || view.labels) && view.outputs == 0) {
    fail<ShapeError>("dataset: y has 0 outputs or classes, at least 1 is needed");
  }
  if (!view.labels) return;
  labels_.assign(view.labels, view.labels + view.count);
  view_.labels = labels_.data();
  check_labels(view.count, view_.labels, view.outputs);
}

template <class T>
const DatasetView<T>* Dataset<T>::copy_on(const Memory& memory) const {
  return copies_->on(memory, view_);
}

template <class T>
void check_data(const char* operation, const DatasetView<T>& data, const Loss& loss,
                const BasicNetwork<T>& network) {
  const std::size_t features = network.input_shape().count(), outputs = network.output_shape().count();
  if (data.count == 0) fail<ShapeError>(operation, ": the data has 0 samples, at least 1 is needed");
  if (data.features != features) {
    fail<ShapeError>(operation, ": the data has ", data.features, " features, the network expects ",
                     features);
  }
  if (data.outputs != outputs) {
    fail<ShapeError>(operation, ": the data has ", data.outputs, " outputs, the network has ", outputs);
  }
  if (!data.labels && !data.targets) {
    fail<ValueError>(operation, ": the data has neither targets nor labels, one of them is needed");
  }
  if (data.labels && !takes_labels(loss)) {
    fail<ValueError>(operation, ": ", loss_name(loss), " needs targets, labels were given");
  }
}

template <class T>
void gather_rows(const void* x, DataType type, std::size_t features, const std::uint64_t* index,
                 std::size_t first, std::size_t count, T* out) {
  switch (type) {
    case DataType::kFloat32:
      return Gather<T, float>{static_cast<const float*>(x), features, index, first, count, 0, out}.run();
    case DataType::kFloat64:
      return Gather<T, double>{static_cast<const double*>(x), features, index, first, count, 0, out}.run();
    case DataType::kUint8:
      return Gather<T, std::uint8_t>{
          static_cast<const std::uint8_t*>(x), features, index, first, count, 0, out}
          .run();
  }
}

void copy_rows(const void* x, std::size_t row_bytes, const std::uint64_t* index, std::size_t first,
               std::size_t count, void* out) {
  Gather<std::uint8_t, std::uint8_t>{static_cast<const std::uint8_t*>(x), row_bytes, index, first, count, 0,
                                     static_cast<std::uint8_t*>(out)}
      .run();
}

template <class T>
std::size_t first_bad_row(const void* x, DataType type, std::size_t features, std::size_t count) {
  switch (type) {
    case DataType::kFloat32: return find_bad_row<T>(static_cast<const float*>(x), features, count);
    case DataType::kFloat64: return find_bad_row<T>(static_cast<const double*>(x), features, count);
    case DataType::kUint8: break;  // every byte is finite
  }
  return kAllFinite;
}

template class Dataset<float>;
template class Dataset<double>;
template void check_data<float>(const char*, const DatasetView<float>&, const Loss&,
                                const BasicNetwork<float>&);
template void check_data<double>(const char*, const DatasetView<double>&, const Loss&,
                                 const BasicNetwork<double>&);
template void gather_rows<float>(const void*, DataType, std::size_t, const std::uint64_t*, std::size_t,
                                 std::size_t, float*);
template void gather_rows<double>(const void*, DataType, std::size_t, const std::uint64_t*, std::size_t,
                                  std::size_t, double*);
template std::size_t first_bad_row<float>(const void*, DataType, std::size_t, std::size_t);
template std::size_t first_bad_row<double>(const void*, DataType, std::size_t, std::size_t);

}  // namespace bpnet
