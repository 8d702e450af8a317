#include "bpnet/core/shape.h"

#include <limits>

#include "bpnet/core/error.h"

namespace bpnet {

// Bytes are counted in doubles, so a count that passes here can be multiplied by any element size.
constexpr std::size_t kMaxCount =
    static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) / sizeof(double);

std::size_t checked_product(const char* operation, std::size_t a, std::size_t b) {
  if (b != 0 && a > kMaxCount / b) {
    fail<ShapeError>(operation, ": ", a, " x ", b, " elements are more than memory can address");
  }
  return a * b;
}

std::size_t checked_sum(const char* operation, std::size_t a, std::size_t b) {
  if (a > kMaxCount || b > kMaxCount - a) {
    fail<ShapeError>(operation, ": ", a, " + ", b, " elements are more than memory can address");
  }
  return a + b;
}

Shape::Shape(std::initializer_list<std::size_t> sizes) { assign(sizes.begin(), sizes.size()); }

Shape::Shape(const std::vector<std::size_t>& sizes) { assign(sizes.data(), sizes.size()); }

void Shape::assign(const std::size_t* sizes, std::size_t rank) {
  if (rank > kMaxRank) {
    fail<ShapeError>("shape: ", rank, " axes given, at most ", kMaxRank, " are supported");
  }
  rank_ = rank;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    sizes_[axis] = sizes[axis];
    count_ = checked_product("shape", count_, sizes[axis]);
  }
}

std::string Shape::text() const {
  std::string out = "(";
  for (std::size_t axis = 0; axis < rank_; ++axis) {
    if (axis) out += ", ";
    append_text(out, sizes_[axis]);
  }
  return out + (rank_ == 1 ? ",)" : ")");
}

}  // namespace bpnet
