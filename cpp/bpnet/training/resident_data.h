// A data set in the memory of the devices that train on it.
#pragma once

#include <list>
#include <mutex>

#include "bpnet/core/memory/arena.h"
#include "bpnet/training/dataset.h"

namespace bpnet {

template <class T>
class ResidentData {
 public:
  // The arrays' copies in this memory, made at the first call, x in its type. Null where they are larger than
  // half of what was free then. If interrupted, nothing is kept.
  const DatasetView<T>* on(const Memory& memory, const DatasetView<T>& data);

 private:
  struct Copy {
    explicit Copy(const Memory& m) : memory(&m), x(m), targets(m), labels(m), sample_weight(m) {}

    const Memory* memory;
    Arena x, targets, labels, sample_weight;
    DatasetView<T> view;  // without x: too large
  };

  static void fill(Copy& copy, const DatasetView<T>& data);

  std::mutex mutex_;
  std::list<Copy> copies_;
};

extern template class ResidentData<float>;
extern template class ResidentData<double>;

}  // namespace bpnet
