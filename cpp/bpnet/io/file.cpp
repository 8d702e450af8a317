#include "bpnet/io/file.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "bpnet/core/error.h"

#ifdef _WIN32
#include <io.h>
#include <process.h>
#else
#include <fcntl.h>
#include <unistd.h>
#endif

namespace bpnet {
namespace {

std::filesystem::path native_path(const std::string& path) {
  return std::filesystem::path(std::u8string(path.begin(), path.end()));
}

[[noreturn]] void refuse(const char* operation, const std::string& path, int code) {
  throw FileError(operation, code, path);
}

// A new file; one that is there already, or a link, is refused.
#ifdef _WIN32
std::FILE* open_file(const std::string& path) { return _wfopen(native_path(path).c_str(), L"rb"); }
std::FILE* create_file(const std::filesystem::path& path) { return _wfopen(path.c_str(), L"wbx"); }
int flush_to_disk(std::FILE* file) { return _commit(_fileno(file)); }
void flush_folder(const std::filesystem::path&) {}  // Windows has no such call
int process_id() { return _getpid(); }
#else
std::FILE* open_file(const std::string& path) { return std::fopen(path.c_str(), "rb"); }
std::FILE* create_file(const std::filesystem::path& path) { return std::fopen(path.c_str(), "wbx"); }
int flush_to_disk(std::FILE* file) { return fsync(fileno(file)); }
void flush_folder(const std::filesystem::path& file) {  // so that the rename itself survives a power cut
  const std::string folder = file.parent_path().string();
  const int descriptor = open(folder.empty() ? "." : folder.c_str(), O_RDONLY);
  if (descriptor < 0) return;
  fsync(descriptor);
  close(descriptor);
}
int process_id() { return static_cast<int>(getpid()); }
#endif

}  // namespace

std::vector<unsigned char> read_file(const std::string& path) {
  std::error_code problem;
  const auto where = native_path(path);
  if (std::filesystem::is_directory(where, problem)) refuse("load", path, EISDIR);
  std::FILE* file = open_file(path);
  if (!file) refuse("load", path, errno);
  std::vector<unsigned char> bytes;
  const auto size = std::filesystem::file_size(where, problem);
  if (!problem) bytes.reserve(static_cast<std::size_t>(size));
  std::array<unsigned char, 1 << 16> piece;
  std::size_t got;
  while ((got = std::fread(piece.data(), 1, piece.size(), file)) > 0) {
    bytes.insert(bytes.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(got));
  }
  const int code = std::ferror(file) ? errno : 0;
  std::fclose(file);
  if (code) refuse("load", path, code);
  return bytes;
}

// Where `path` really writes to: a link stays a link, and what is no file is not replaced by one.
static std::filesystem::path resolve_target(const std::string& path) {
  std::error_code problem;
  std::filesystem::path target = native_path(path);
  if (std::filesystem::is_symlink(target, problem))
    target = std::filesystem::weakly_canonical(target, problem);
  const auto status = std::filesystem::status(target, problem);
  if (std::filesystem::is_directory(status)) refuse("save", path, EISDIR);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    refuse("save", path, EINVAL);
  return target;
}

void write_file(const std::string& path, const std::vector<std::string_view>& parts) {
  static std::atomic<unsigned> count{0};  // two threads may save to one path
  const std::filesystem::path target = resolve_target(path);
  std::filesystem::path temporary = target;
  temporary += ".tmp" + std::to_string(process_id()) + "-" + std::to_string(count.fetch_add(1));
  std::FILE* file = create_file(temporary);
  if (!file) refuse("save", path, errno);
  bool good = true;
  for (const std::string_view part : parts) {
    good = good && std::fwrite(part.data(), 1, part.size(), file) == part.size();
  }
  good = good && std::fflush(file) == 0 && flush_to_disk(file) == 0;
  int code = good ? 0 : errno;
  if (std::fclose(file) != 0 && !code) code = errno;
  std::error_code ignored;
  if (!code) {
    const auto old = std::filesystem::status(target, ignored);
    if (std::filesystem::exists(old)) std::filesystem::permissions(temporary, old.permissions(), ignored);
    std::error_code problem;
    std::filesystem::rename(temporary, target, problem);
    code = problem.value();
  }
  if (code) {
    std::filesystem::remove(temporary, ignored);
    refuse("save", path, code);
  }
  flush_folder(target);
}

std::uint32_t crc32(std::string_view bytes, std::uint32_t before) {
  // Eight tables, so that eight bytes are taken at a time.
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
