// The safetensors format: a length, a JSON header, and raw little-endian numbers.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bpnet/core/shape.h"

namespace bpnet {

struct SafeTensor {
  std::string name;
  std::string dtype;  // "F32" or "F64"
  Shape shape;
  std::string_view bytes;
};

// Writes tensors and metadata, with a checksum over the whole file, replacing `path` atomically.
void write_safetensors(const std::string& path, const std::vector<SafeTensor>& tensors,
                       const std::map<std::string, std::string>& metadata);

class SafeTensorsFile {
 public:
  // Reads and checks everything: sizes against the file's length, no holes or overlaps, the checksum.
  // Throws a FileError or a FileFormatError.
  explicit SafeTensorsFile(const std::string& path);

  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::vector<SafeTensor>& tensors() const { return tensors_; }  // in the order of their bytes
  const SafeTensor* find(std::string_view name) const;

 private:
  void parse(const std::string& path);

  std::vector<unsigned char> memory_;
  std::map<std::string, std::string> metadata_;
  std::vector<SafeTensor> tensors_;
};

}  // namespace bpnet
