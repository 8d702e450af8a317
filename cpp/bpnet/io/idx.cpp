#include "bpnet/io/idx.h"

#include <algorithm>

#include "bpnet/core/error.h"
#include "bpnet/io/file.h"

namespace bpnet {
namespace {

std::size_t element_size(IdxType type) {
  switch (type) {
    case IdxType::kUint8:
    case IdxType::kInt8: return 1;
    case IdxType::kInt16: return 2;
    case IdxType::kInt32:
    case IdxType::kFloat32: return 4;
    case IdxType::kFloat64: return 8;
  }
  return 0;
}

Shape checked_shape(const std::vector<std::size_t>& sizes) {
  try {
    // A size of 0 must not hide an overflow of the others: not every reader multiplies in our order.
    std::vector<std::size_t> at_least_one;
    for (const std::size_t size : sizes) at_least_one.push_back(std::max<std::size_t>(1, size));
    static_cast<void>(Shape(at_least_one));
    return Shape(sizes);
  } catch (const ShapeError& error) {  // sizes whose product overflows
    fail<FileFormatError>("idx: ", error.what());
  }
}

unsigned byte_at(std::string_view bytes, std::size_t index) {
  return static_cast<unsigned char>(bytes[index]);
}

}  // namespace

IdxArray parse_idx(std::string_view bytes) {
  if (bytes.size() < 4 || byte_at(bytes, 0) != 0 || byte_at(bytes, 1) != 0) {
    fail<FileFormatError>("idx: the file does not begin with two zero bytes, a type and a rank");
  }
  const auto type = static_cast<IdxType>(byte_at(bytes, 2));
  const std::size_t size = element_size(type);
  if (size == 0) fail<FileFormatError>("idx: there is no element type ", byte_at(bytes, 2));
  const std::size_t rank = byte_at(bytes, 3);
  const std::size_t header = 4 + 4 * rank;
  if (rank < 1 || rank > Shape::kMaxRank) {
    fail<FileFormatError>("idx: the header claims ", rank, " axes, 1 to ", Shape::kMaxRank, " are supported");
  }
  if (bytes.size() < header) {
    fail<FileFormatError>("idx: the file has ", bytes.size(), " bytes, its header needs ", header);
  }
  std::vector<std::size_t> sizes;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    std::size_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | byte_at(bytes, 4 + 4 * axis + i);
    sizes.push_back(value);
  }
  const Shape shape = checked_shape(sizes);
  const std::size_t expected = shape.count() * size;
  if (bytes.size() - header != expected) {
    fail<FileFormatError>("idx: the header claims ", shape, ", ", expected, " bytes, the file holds ",
                          bytes.size() - header);
  }
  IdxArray result{type, shape, {bytes.begin() + static_cast<std::ptrdiff_t>(header), bytes.end()}};
  for (std::size_t at = 0; size > 1 && at < result.bytes.size(); at += size) {
    const auto first = result.bytes.begin() + static_cast<std::ptrdiff_t>(at);
    std::reverse(first, first + static_cast<std::ptrdiff_t>(size));
  }
  return result;
}

IdxArray read_idx(const std::string& path) {
  const std::vector<unsigned char> bytes = read_file(path);
  return parse_idx({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace bpnet
