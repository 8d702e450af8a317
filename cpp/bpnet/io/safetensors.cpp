#include "bpnet/io/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <set>

#include "bpnet/core/error.h"
#include "bpnet/core/json.h"
#include "bpnet/core/threads/interrupt.h"
#include "bpnet/io/file.h"

namespace bpnet {
namespace {

static_assert(std::endian::native == std::endian::little, "the format's numbers are little-endian");

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kMostHeader = 100'000'000;  // the format's limit
constexpr std::string_view kChecksumKey = "bpnet.checksum";
constexpr std::string_view kChecksumPrefix = "\"bpnet.checksum\":\"crc32:";
constexpr std::string_view kNoDigits = "00000000";
constexpr std::size_t kPiece = std::size_t{1} << 24;  // between two of these the caller may interrupt

std::string hex(std::uint32_t value) {
  char digits[9];
  std::snprintf(digits, sizeof digits, "%08x", value);
  return digits;
}

std::string length_bytes(std::uint64_t length) {
  std::string bytes(kLengthBytes, '\0');
  for (std::size_t i = 0; i < kLengthBytes; ++i) bytes[i] = static_cast<char>(length >> (8 * i) & 255);
  return bytes;
}

std::size_t element_size(const std::string& dtype) {
  static const std::map<std::string, std::size_t> sizes = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2},
                                                           {"I64", 8}, {"I32", 4}, {"I16", 2}, {"I8", 1},
                                                           {"U8", 1},  {"BOOL", 1}};
  const auto found = sizes.find(dtype);
  if (found == sizes.end()) fail<FileFormatError>("load: there is no element type '", dtype, "'");
  return found->second;
}

// The checksum covers the whole file with its own eight digits read as zeros.
std::uint32_t checksum(std::string_view length, std::string_view header, std::size_t digits,
                       const std::vector<std::string_view>& data) {
  std::uint32_t crc = crc32(length);
  crc = crc32(header.substr(0, digits), crc);
  crc = crc32(kNoDigits, crc);
  crc = crc32(header.substr(digits + kNoDigits.size()), crc);
  Interruptible* const work = Interruptible::current();
  for (const std::string_view part : data) {
    for (std::size_t done = 0; done < part.size(); done += kPiece) {
      if (work) work->check();
      crc = crc32(part.substr(done, kPiece), crc);
    }
  }
  return crc;
}

}  // namespace

void write_safetensors(const std::string& path, const std::vector<SafeTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  Json about;
  for (const auto& [key, value] : metadata) about.set(key, value);
  about.set(kChecksumKey, "crc32:" + std::string(kNoDigits));
  Json head;
  head.set("__metadata__", about);
  std::size_t offset = 0;
  std::vector<std::string_view> data;
  for (const SafeTensor& tensor : tensors) {
    Json::Array sizes;
    for (const std::size_t size : tensor.shape) sizes.emplace_back(size);
    Json entry;
    entry.set("dtype", tensor.dtype);
    entry.set("shape", std::move(sizes));
    entry.set("data_offsets", Json::Array{offset, offset + tensor.bytes.size()});
    head.set(tensor.name, std::move(entry));
    data.push_back(tensor.bytes);
    offset += tensor.bytes.size();
  }
  std::string header = head.dump();
  header.resize((header.size() + 7) / 8 * 8, ' ');  // so that the data is aligned
  const std::string length = length_bytes(header.size());
  const std::size_t digits = header.find(kChecksumPrefix) + kChecksumPrefix.size();
  header.replace(digits, kNoDigits.size(), hex(checksum(length, header, digits, data)));

  std::vector<std::string_view> parts{length, header};
  parts.insert(parts.end(), data.begin(), data.end());
  write_file(path, parts);
}

SafeTensorsFile::SafeTensorsFile(const std::string& path) : memory_(read_file(path)) {
  try {
    parse(path);
  } catch (const FileFormatError& error) {
    fail<FileFormatError>(error.what(), " ('", path, "' is not a whole bpnet file)");
  } catch (const ShapeError& error) {  // sizes whose product overflows
    fail<FileFormatError>("load: ", error.what(), " ('", path, "' is not a whole bpnet file)");
  }
}

void SafeTensorsFile::parse(const std::string&) {
  const std::string_view all(reinterpret_cast<const char*>(memory_.data()), memory_.size());
  if (all.size() < kLengthBytes) {
    fail<FileFormatError>("load: the file has ", all.size(), " bytes, a header needs at least ",
                          kLengthBytes);
  }
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) length |= std::uint64_t{memory_[i]} << (8 * i);
  if (length > kMostHeader || length > all.size() - kLengthBytes) {
    fail<FileFormatError>("load: the header claims ", length, " bytes, the file has ",
                          all.size() - kLengthBytes, " after it begins");
  }
  const std::string_view header = all.substr(kLengthBytes, length);
  const std::string_view data = all.substr(kLengthBytes + length);

  const std::size_t prefix = header.find(kChecksumPrefix);
  const std::size_t digits = prefix + kChecksumPrefix.size();
  if (prefix == std::string_view::npos || digits + kNoDigits.size() > header.size()) {
    fail<FileFormatError>("load: there is no bpnet checksum in the header");
  }
  const std::string stored(header.substr(digits, kNoDigits.size()));
  const std::string computed = hex(checksum(all.substr(0, kLengthBytes), header, digits, {data}));
  if (stored != computed) {
    fail<FileFormatError>("load: the bytes' checksum is ", computed, ", not the one in the header");
  }

  const Json head = Json::parse(header);
  std::set<std::string> names;
  std::vector<std::pair<std::size_t, std::size_t>> ranges;
  for (const auto& [name, entry] : head.object()) {
    if (!names.insert(name).second) fail<FileFormatError>("load: the name '", name, "' appears twice");
    if (name == "__metadata__") {
      for (const auto& [key, value] : entry.object()) metadata_[key] = value.string();
      continue;
    }
    std::vector<std::size_t> sizes;
    for (const Json& size : entry["shape"].array()) sizes.push_back(size.size());
    const Json::Array& offsets = entry["data_offsets"].array();
    if (offsets.size() != 2) fail<FileFormatError>("load: '", name, "' has no pair of offsets");
    const std::size_t begin = offsets[0].size(), end = offsets[1].size();
    SafeTensor tensor{name, entry["dtype"].string(), Shape(sizes), {}};
    if (begin > end || end > data.size()) {
      fail<FileFormatError>("load: '", name, "' spans bytes ", begin, " to ", end, ", the data has ",
                            data.size());
    }
    const std::size_t expected = checked_product("load", tensor.shape.count(), element_size(tensor.dtype));
    if (end - begin != expected) {
      fail<FileFormatError>("load: '", name, "' of shape ", tensor.shape, " needs ", expected,
                            " bytes, its offsets span ", end - begin);
    }
    tensor.bytes = data.substr(begin, end - begin);
    ranges.emplace_back(begin, end);
    tensors_.push_back(std::move(tensor));
  }
  std::sort(ranges.begin(), ranges.end());
  std::size_t covered = 0;
  for (const auto& [begin, end] : ranges) {
    if (begin != covered)
      fail<FileFormatError>("load: the tensors overlap or leave a hole at byte ", covered);
    covered = end;
  }
  if (covered != data.size()) {
    fail<FileFormatError>("load: the tensors cover ", covered, " bytes, the data has ", data.size());
  }
}

const SafeTensor* SafeTensorsFile::find(std::string_view name) const {
  for (const SafeTensor& tensor : tensors_) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

}  // namespace bpnet
