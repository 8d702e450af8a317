#include "bpnet/io/file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "bpnet/core/error.h"
#include "bpnet/core/threads/interrupt.h"
#include "bpnet/io/replacement.h"

namespace bpnet {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 24;  // between two of these the caller may interrupt

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

File open_file(const std::filesystem::path& path) {
#ifdef _WIN32
  return File(_wfopen(path.c_str(), L"rb"));
#else
  return File(std::fopen(path.c_str(), "rb"));
#endif
}

[[noreturn]] void refuse(const std::string& path, int code) { throw FileError("load", code, path); }

}  // namespace

// Only a regular file: a device may have no end, and opening a pipe waits for a writer.
std::vector<unsigned char> read_file(const std::string& path) {
  const auto where = native_path(path);
  std::error_code problem;
  const auto status = std::filesystem::status(where, problem);
  if (std::filesystem::is_directory(status)) refuse(path, EISDIR);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) refuse(path, EINVAL);
  const File file = open_file(where);
  if (!file) refuse(path, errno);
  // The path may be another file's by now, so that its size is a guess. One byte more shows the end.
  const auto size = std::filesystem::file_size(where, problem);
  std::vector<unsigned char> bytes(problem ? kPiece : static_cast<std::size_t>(size) + 1);
  Interruptible* const work = Interruptible::current();
  for (std::size_t done = 0;;) {
    if (work) work->check();
    if (done == bytes.size()) bytes.resize(2 * done);
    const std::size_t wanted = std::min(bytes.size() - done, kPiece);
    const std::size_t got = std::fread(bytes.data() + done, 1, wanted, file.get());
    done += got;
    if (got == wanted) continue;
    if (std::ferror(file.get())) refuse(path, errno);
    bytes.resize(done);
    return bytes;
  }
}

void write_file(const std::string& path, const std::vector<std::string_view>& parts) {
  Replacement file("save", path);
  for (const std::string_view part : parts) file.write(part);
  file.commit();
}

std::uint32_t crc32(std::string_view bytes, std::uint32_t before) {
  // Eight tables, so that eight bytes are processed at a time.
  static const auto tables = [] {
    std::array<std::array<std::uint32_t, 256>, 8> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0);
      t[0][i] = value;
    }
    for (std::size_t k = 1; k < 8; ++k) {
      for (std::size_t i = 0; i < 256; ++i) t[k][i] = t[k - 1][i] >> 8 ^ t[0][t[k - 1][i] & 255];
    }
    return t;
  }();
  std::uint32_t crc = ~before;
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, p += 8) {
    const std::uint32_t low = crc ^ (std::uint32_t{p[0]} | std::uint32_t{p[1]} << 8 |
                                     std::uint32_t{p[2]} << 16 | std::uint32_t{p[3]} << 24);
    crc = tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^ tables[5][low >> 16 & 255] ^
          tables[4][low >> 24] ^ tables[3][p[4]] ^ tables[2][p[5]] ^ tables[1][p[6]] ^ tables[0][p[7]];
  }
  for (; left > 0; --left, ++p) crc = crc >> 8 ^ tables[0][(crc ^ *p) & 255];
  return ~crc;
}

}  // namespace bpnet
