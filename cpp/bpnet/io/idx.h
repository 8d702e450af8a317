// The IDX format of MNIST: a magic number that names the type and the rank, the sizes, the numbers,
// all big-endian.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bpnet/core/shape.h"

namespace bpnet {

enum class IdxType : unsigned char {
  kUint8 = 0x08,
  kInt8 = 0x09,
  kInt16 = 0x0B,
  kInt32 = 0x0C,
  kFloat32 = 0x0D,
  kFloat64 = 0x0E,
};

struct IdxArray {
  IdxType type;
  Shape shape;
  std::vector<unsigned char> bytes;  // in this machine's byte order
};

// From the uncompressed bytes of a file. Throws a FileFormatError.
IdxArray parse_idx(std::string_view bytes);
IdxArray read_idx(const std::string& path);

}  // namespace bpnet
