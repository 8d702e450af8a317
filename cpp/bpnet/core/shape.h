// The sizes of a tensor, outermost first. Their product is checked against overflow when made.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <vector>

namespace bpnet {

class Shape {
 public:
  static constexpr std::size_t kMaxRank = 8;

  Shape() = default;  // rank 0, one element
  Shape(std::initializer_list<std::size_t> sizes);
  explicit Shape(const std::vector<std::size_t>& sizes);

  std::size_t rank() const { return rank_; }
  std::size_t operator[](std::size_t axis) const { return sizes_[axis]; }
  std::size_t count() const { return count_; }  // the product of the sizes
  const std::size_t* begin() const { return sizes_.data(); }
  const std::size_t* end() const { return sizes_.data() + rank_; }
  std::string text() const;  // "(3, 224, 224)"

  friend bool operator==(const Shape& a, const Shape& b) {
    return a.rank_ == b.rank_ && a.sizes_ == b.sizes_;
  }

 private:
  void assign(const std::size_t* sizes, std::size_t rank);

  std::array<std::size_t, kMaxRank> sizes_{};
  std::size_t rank_ = 0;
  std::size_t count_ = 1;
};

inline void append_text(std::string& out, const Shape& shape) { out += shape.text(); }

// a * b, or a ShapeError that begins with `operation` when the product does not fit.
std::size_t checked_product(const char* operation, std::size_t a, std::size_t b);
std::size_t checked_sum(const char* operation, std::size_t a, std::size_t b);

}  // namespace bpnet
