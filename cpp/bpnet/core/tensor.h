// A view: a pointer and the shape of its target. It owns nothing.
#pragma once

#include "bpnet/core/shape.h"

namespace bpnet {

template <class T>
struct Tensor {
  T* data = nullptr;
  Shape shape;

  std::size_t count() const { return shape.count(); }
};

}  // namespace bpnet
